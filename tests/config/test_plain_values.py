"""Numbers of other libraries are numbers; what is only like a list is no list."""

from __future__ import annotations

import enum
import json
from collections import deque
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pytest

import typedvision as tv
from tests.toys import ToyConfig
from typedvision.errors import ConfigError, Problem


class Size(enum.IntEnum):
    SMALL = 4


class Flag(tv.Config):
    """One truth value."""

    on: bool = False


def problem(**options: object) -> Problem:
    with pytest.raises(ConfigError) as caught:
        ToyConfig.from_options(options)
    (only,) = caught.value.problems
    return only


@pytest.mark.parametrize("value", [np.int64(9), np.uint8(9), np.array([3, 9]).max()])
def test_an_integer_is_stored_as_pythons(value: object) -> None:
    config = ToyConfig.from_options({"width": value, "depths": [value, 2], "size": (value, value)})
    assert config == ToyConfig(width=9, depths=(9, 2), size=9)
    assert {type(config.width), type(config.depths[0]), type(config.size)} == {int}
    assert json.loads(config.model_dump_json())["width"] == 9


@pytest.mark.parametrize(
    "value", [np.float64(0.5), np.float32(0.5), np.float16(0.5), Fraction(1, 2)]
)
def test_a_number_is_stored_as_pythons(value: object) -> None:
    config = ToyConfig.from_options({"drop_rate": value, "args": {"rate": value}})
    assert (config.drop_rate, config.args.rate) == (0.5, 0.5)
    assert type(config.drop_rate) is type(config.args.rate) is float


def test_a_truth_value_is_stored_as_pythons() -> None:
    assert Flag.from_options({"on": np.bool_(True)}).on is True


def test_a_member_of_an_enumeration_of_integers_is_its_number() -> None:
    assert type(ToyConfig(width=Size.SMALL).width) is int


def test_minus_zero_is_zero_whoever_wrote_it() -> None:
    assert str(ToyConfig.from_options({"drop_rate": np.float32(-0.0)}).drop_rate) == "0.0"


@pytest.mark.parametrize("value", [np.float64(4.0), np.float32(4.0), np.bool_(True), np.str_("4")])
def test_a_scalar_of_another_kind_is_no_integer(value: object) -> None:
    assert (problem(width=value).path, problem(width=value).kind) == (("width",), "type")


@pytest.mark.parametrize("value", [np.nan, np.float32("inf"), np.longdouble("1e4000")])
def test_numbers_are_finite(value: object) -> None:
    assert problem(drop_rate=value).kind == "range"


@pytest.mark.parametrize("value", [np.array([1, 2]), np.array(4), np.ones((2, 2), int)])
def test_an_array_says_how_it_becomes_plain(value: object) -> None:
    for option in ("width", "depths", "size"):
        found = problem(**{option: value})
        assert found.kind == "type"
        assert found.message.endswith(": write .tolist() after it")
        assert "\n" not in found.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (deque([1, 2]), "list"),
        (range(1, 3), "list"),
        ({1: 1, 2: 2}.values(), "list"),
        ({1, 2}, "sorted"),
        (frozenset({1, 2}), "sorted"),
    ],
)
def test_what_is_like_a_list_says_how_it_becomes_one(value: object, words: str) -> None:
    assert problem(depths=value).message.endswith(f": write {words}(...) around it")
    assert problem(size=value).message.endswith(f": write {words}(...) around it")
    assert "write" not in problem(width=value).message


def test_a_mapping_is_a_fine_object() -> None:
    config = ToyConfig.from_options(MappingProxyType({"args": MappingProxyType({"rate": 0.5})}))
    assert config == ToyConfig.from_options({"args": {"rate": 0.5}})
