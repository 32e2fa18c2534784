"""Configs are strict, frozen, and say everything that is wrong with them at once."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from tests.toys import ToyArgs, ToyConfig
from typedvision.config.base import Config, Pixels, Size, to_pair
from typedvision.config.problems import Conflict
from typedvision.errors import ConfigError, Problem


def problems(**options: object) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        ToyConfig.from_options(options)
    return caught.value.problems


def problem(**options: object) -> Problem:
    (only,) = problems(**options)
    return only


def test_all_problems_come_at_once() -> None:
    found = problems(width="4", drop_rat=0.1, depths=(0, 2000), args={"kind": "plane"}, size=0)
    assert [(one.where(), one.kind) for one in found] == [
        ("width", "type"),
        ("drop_rat", "unknown"),
        ("depths[0]", "range"),
        ("depths[1]", "range"),
        ("args.kind", "choice"),
        ("size", "range"),
    ]


@pytest.mark.parametrize("value", ["10", True, 10.0, None, (10,), b"10", float("nan")])
def test_what_is_no_integer_is_refused(value: object) -> None:
    found = problem(width=value)
    assert (found.path, found.kind) == (("width",), "type")
    assert found.message.startswith("must be an integer; got ")
    assert repr(found.value) == repr(value)


@pytest.mark.parametrize("value", ["0.1", True, None, "nan"])
def test_what_is_no_number_is_refused(value: object) -> None:
    assert problem(drop_rate=value).kind == "type"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_are_finite(value: float) -> None:
    assert problem(drop_rate=value).kind == "range"
    assert "finite" in problem(drop_rate=value).message


def test_what_stands_in_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert problem(width=endless).kind == "type"
    assert problem(args={"kind": endless}).kind == "choice"


def test_a_misspelling_is_guessed_and_thousands_are_not() -> None:
    assert problem(widht=1).suggestions == ("width",)
    found = problems(**{f"widt{number}": 1 for number in range(2_000)})
    assert len(found) == 2_000
    assert not any(one.suggestions for one in found)


def test_an_integer_is_a_fine_float() -> None:
    config = ToyConfig(drop_rate=1)
    assert config == ToyConfig(drop_rate=1.0)
    assert type(config.drop_rate) is float


def test_a_list_is_a_fine_tuple() -> None:
    config = ToyConfig.from_options({"depths": [3, 4]})
    assert config.depths == (3, 4)
    assert hash(config) == hash(ToyConfig(depths=(3, 4)))


def test_minus_zero_is_zero() -> None:
    assert str(ToyConfig(drop_rate=-0.0).drop_rate) == "0.0"


@pytest.mark.parametrize("value", [10**9, 10**400, -1, 0])
def test_no_depth_is_out_of_bounds(value: int) -> None:
    found = problem(depths=(value, 1))
    assert (found.path, found.kind, found.value) == (("depths", 0), "range", value)


@pytest.mark.parametrize("value", [None, 0, {}, "x"])
def test_an_unknown_name_is_unknown_whatever_its_value(value: object) -> None:
    found = problem(qkv_bias=value)
    assert (found.path, found.kind, found.value) == (("qkv_bias",), "unknown", value)
    assert found.message == "no such option"


def test_a_near_name_is_suggested() -> None:
    assert problem(num_clases=3).suggestions == ("num_classes",)
    assert "did you mean 'num_classes'?" in problem(num_clases=3).message
    nested = problem(args={"rat": 0.5})
    assert (nested.path, nested.suggestions) == (("args", "rat"), ("rate",))


def test_a_choice_lists_what_is_allowed() -> None:
    found = problem(args={"kind": "Gated"})
    assert found.allowed == ("plain", "gated")
    assert found.suggestions == ("gated",)
    assert found.message == ("must be 'plain' or 'gated'; got 'Gated'; did you mean 'gated'?")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("8", "must be an integer or a list; got '8'"),
        (None, "must be an integer or a list; got None"),
        (0, "must be at least 1; got 0"),
    ],
)
def test_either_of_two_shapes_is_one_problem(value: object, words: str) -> None:
    assert problem(size=value).message == words


def test_a_bad_item_of_either_is_found_where_it_is() -> None:
    assert problem(size=(8, 0)).path == ("size", 1)


def test_a_list_has_its_length() -> None:
    assert {one.path[0] for one in problems(depths=(1,))} == {"depths"}
    assert {one.path[0] for one in problems(depths=(1, 2, 3))} == {"depths"}


def test_a_nested_config_is_an_object_or_itself() -> None:
    config = ToyConfig.from_options({"args": {"kind": "gated"}})
    assert config == ToyConfig(args=ToyArgs(kind="gated"))
    assert problem(args=None).message == "must be an object; got None"
    assert problem(args="gated").kind == "type"


def test_a_required_field_is_missed() -> None:
    class Required(Config):
        depth: int

    with pytest.raises(ConfigError) as caught:
        Required.from_options({})
    assert caught.value.problems == (Problem(("depth",), "missing", "is required"),)
    assert caught.value.summary == "1 problem in Required"


def test_every_conflict_names_the_field_to_change() -> None:
    class Picky(Config):
        rate: float = 0.0
        depth: int = 0
        width: int = 0

        def conflicts(self) -> Iterator[Conflict]:
            if self.rate and not self.depth:
                yield Conflict("'rate' needs a 'depth'", "rate")
            if self.width and not self.depth:
                yield Conflict("'width' needs a 'depth'", "width")

    with pytest.raises(ConfigError) as caught:
        Picky(rate=0.5, width=2)
    assert caught.value.problems == (
        Problem(("rate",), "conflict", "'rate' needs a 'depth'", 0.5),
        Problem(("width",), "conflict", "'width' needs a 'depth'", 2),
    )


def test_a_config_is_frozen() -> None:
    config = ToyConfig()
    with pytest.raises(ValueError, match="frozen"):
        config.width = 5  # type: ignore[misc]
    assert config == ToyConfig()


def test_replace_validates_the_whole() -> None:
    assert ToyConfig(width=9).replace(depths=[5, 6]) == ToyConfig(width=9, depths=(5, 6))
    with pytest.raises(ConfigError):
        ToyConfig().model_copy(update={"width": 0}).replace(depths=(5, 6))


def test_a_square_is_one_number() -> None:
    assert ToyConfig(size=(8, 8)) == ToyConfig(size=8)
    assert ToyConfig(size=(8, 9)).size == (8, 9)
    assert to_pair(8) == (8, 8)
    assert to_pair((8, 9)) == (8, 9)


def test_sizes_and_pixels_are_bounded() -> None:
    class Image(Config):
        size: Size
        side: Pixels

    with pytest.raises(ConfigError) as caught:
        Image(size=(1, 10**9), side=10**9)
    assert [one.path for one in caught.value.problems] == [("size", 1), ("side",)]
