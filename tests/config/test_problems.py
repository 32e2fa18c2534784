"""Whatever Pydantic finds becomes a problem of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, Field

from tests.toys import ToyConfig
from typedvision.config.base import Config, Count
from typedvision.config.problems import Conflict
from typedvision.errors import ConfigError, Problem


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


class Inner(Config):
    """Two numbers that must agree."""

    heads: int = 1
    width: int = 1
    depth: int = 1

    def conflicts(self) -> Iterator[Conflict]:
        if self.width % self.heads:
            message = f"'heads' must divide 'width' {self.width}; 'other' and 'a b' are no fields"
            yield Conflict(message, "heads", (1,))
        if self.depth > self.width:
            yield Conflict("'depth' must be at most 'width'", "depth")


class Odd(Config):
    """Fields whose findings are unusual."""

    text: Annotated[str, Field(pattern="^a+$", max_length=3)] = "a"
    choice: Literal["a or b", "c, d", "e"] = "e"
    either: Literal[1, "x", None] = None
    even: Annotated[int, AfterValidator(_even)] = 0
    table: dict[str, Count] = Field(default_factory=dict)
    inner: Inner = Inner()
    rows: tuple[Inner, ...] = ()


def problems(config: type[Config], **options: object) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        config.from_options(options)
    error = caught.value
    assert str(error)
    assert error.to_json()
    return error.problems


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"text": "b"}, "value", "must match ^a+$; got 'b'"),
        ({"text": "aaaa"}, "length", "must have at most 3 characters; got 'aaaa'"),
        ({"even": 3}, "value", "must be even"),
        ({"either": 2}, "choice", "must be 1, 'x' or None; got 2"),
        ({"table": [1]}, "type", "must be an object; got (1,)"),
        ({"table": {"a": -1}}, "range", "must be at least 0; got -1"),
        ({"inner": 3}, "type", "must be an object; got 3"),
        ({"rows": (3,)}, "type", "must be an object; got 3"),
    ],
)
def test_every_finding_has_words(options: dict[str, object], kind: str, message: str) -> None:
    (found,) = problems(Odd, **options)
    assert (found.kind, found.message) == (kind, message)


def test_a_choice_may_hold_the_words_of_a_list() -> None:
    (found,) = problems(Odd, choice="z")
    assert found.kind == "choice"
    assert "a or b" in found.message


HUGE = [10**400, -(10**5000), "x" * 10**6, [[]] * 10**5, {1: 2}, object(), print, b"\xff", 1j]


@pytest.mark.parametrize("value", HUGE, ids=range(len(HUGE)))
@pytest.mark.parametrize("name", list(ToyConfig.model_fields))
def test_no_value_breaks_a_message(name: str, value: object) -> None:
    assert all(len(one.message) < 300 for one in problems(ToyConfig, **{name: value}))


def test_keys_that_are_no_names_are_refused() -> None:
    with pytest.raises(ConfigError):
        ToyConfig.from_options({1: 2})  # type: ignore[dict-item]
    assert problems(ToyConfig, args={1: 2, None: 3})


def test_ten_thousand_problems_are_enough() -> None:
    found = problems(ToyConfig, **{f"x{number}": 1 for number in range(10_300)})
    assert len(found) == 10_001
    assert found[-1] == Problem((), "length", "has 300 more problems")


def test_conflicts_wait_until_every_field_is_valid() -> None:
    class Divided(Config):
        heads: Annotated[int, Field(ge=1)] = 1
        width: int = 1

        def conflicts(self) -> Iterator[Conflict]:
            if self.width % self.heads:
                yield Conflict("'heads' must divide 'width'", "heads")

    assert [one.kind for one in problems(Divided, heads=0, width=3)] == ["range"]


def test_a_defect_of_a_config_is_not_hidden() -> None:
    class Broken(Config):
        heads: int = 0

        def conflicts(self) -> Iterator[Conflict]:
            yield Conflict(f"{1 // self.heads}", "heads")

    with pytest.raises(ZeroDivisionError):
        Broken()


def found(config: type[Config], **options: object) -> list[tuple[str, object, tuple[object, ...]]]:
    return [(one.where(), one.value, one.allowed) for one in problems(config, **options)]


def test_a_conflict_is_at_every_field_that_was_given() -> None:
    assert found(Inner, heads=2) == [("heads", 2, (1,))]
    assert found(Inner, heads=2, width=3) == [("heads", 2, (1,)), ("width", 3, ())]


def test_two_conflicts_at_one_field_are_two_problems() -> None:
    with pytest.raises(ConfigError) as caught:
        Inner(heads=2, width=2, depth=2).replace(width=1)
    assert [one.path for one in caught.value.problems] == [("width",), ("width",)]
    assert len({one.message for one in caught.value.problems}) == 2


def test_a_conflict_inside_is_at_what_was_given_there() -> None:
    assert found(Odd, inner={"heads": 2}) == [("inner.heads", 2, (1,))]
    rows = [{"heads": 1}, {"heads": 2, "width": 3}]
    assert found(Odd, rows=rows) == [("rows[1].heads", 2, (1,)), ("rows[1].width", 3, ())]
    wrong = Inner().model_copy(update={"heads": 2})
    assert found(Odd, inner=wrong) == [("inner.heads", 2, (1,))]


def test_fields_are_the_quoted_names_that_are_known() -> None:
    conflict = Conflict("'b' isn't 'a', and 'c d' or 'e' is PyTorch's 'b'", "a")
    assert conflict.fields({"a", "b", "s", "c"}) == ("a", "b")
