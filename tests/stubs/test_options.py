"""The keywords of a stub: types, defaults and the text for the editor."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from tests.toys import ToyArgs, ToyConfig
from typedvision.config.base import Config, Depth, ModelConfig, Rate, Size
from typedvision.config.names import Activation, ActivationName, OutputFormat
from typedvision.factory import create_backbone, create_model
from typedvision.registry.family import RESERVED_OPTIONS
from typedvision.stubs.options import (
    keywords,
    nested_configs,
    options,
    source,
    split_doc,
    type_source,
)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (bool, "bool"),
        (Rate, "float"),
        (Size, "int | tuple[int, int]"),
        (tuple[Depth, ...], "tuple[int, ...]"),
        (Rate | None, "float | None"),
        (Literal["", "a", 2, True], 'Literal["", "a", 2, True]'),
        (Literal["a"] | tuple[Literal["a"], int], 'Literal["a"] | tuple[Literal["a"], int]'),
        (Annotated[tuple[Depth, ...], Field(min_length=1)], "tuple[int, ...]"),
        (ActivationName, "typedvision.config.names.ActivationName"),
        (Activation, "typedvision.config.names.ActivationName"),
        (ToyArgs, f"{ToyArgs.__module__}.ToyArgs"),
        (dict[str, ToyArgs], f"dict[str, {ToyArgs.__module__}.ToyArgs]"),
    ],
)
def test_types_are_readable(annotation: object, text: str) -> None:
    assert type_source(annotation) == text


def test_a_class_may_have_another_name() -> None:
    assert type_source(tuple[ToyArgs, ...] | None, {ToyArgs: "Args"}) == "tuple[Args, ...] | None"


def test_nested_configs_are_found_at_any_depth() -> None:
    class Outer(Config):
        many: tuple[ToyConfig | None, ...] = ()
        one: ToyArgs | int = 0

    assert nested_configs(Outer) == [ToyConfig, ToyArgs]
    assert nested_configs(ToyArgs) == []


@pytest.mark.parametrize("value", ["", 'a"b', 1, 1.5, True, None, (), (1,), (1, ("a", 2.0))])
def test_a_plain_value_is_its_source(value: object) -> None:
    assert eval(source(value)) == value


@pytest.mark.parametrize("value", [ToyArgs(), (1, ToyArgs()), object(), [1]])
def test_any_other_value_is_not_told(value: object) -> None:
    assert source(value) == "..."


def test_a_default_is_told_where_all_variants_share_it() -> None:
    rows = [ToyConfig(), ToyConfig(width=16, args=ToyArgs(kind="gated"))]
    found = {each.name: each for each in options(ToyConfig, rows)}
    assert found["depths"].default == "(1, 2)"
    assert found["width"].default == "..."
    assert found["width"].doc == "Features. 1 to 65536; default: by variant."
    assert found["drop_rate"].default == "0.0"
    assert found["drop_rate"].doc.endswith(". 0.0 to 1.0.")
    assert found["global_pool"].default == '"avg"'


def test_choices_that_an_editor_shows_with_the_type_are_not_told_again() -> None:
    class Choices(ModelConfig):
        """Some."""

        few: Literal["a", "b"] = "a"
        """Few."""
        many: Literal[1, 2, 3, 4, 5, 6, 7] = 1
        """Many."""
        named: OutputFormat = "NCHW"
        """Named."""

    found = {each.name: each.doc for each in options(Choices, [])}
    assert found["few"] == "Few. Default: by variant."
    assert found["many"].startswith("Many. One of 1, 2, 3, 4, 5, 6, 7;")
    assert found["named"].startswith("Named. One of 'NCHW', 'NHWC', 'NLC';")


def test_bounds_of_a_length_are_told_as_those_of_a_number() -> None:
    class Bounded(ModelConfig):
        """Some."""

        sizes: Annotated[tuple[Depth, ...], Field(min_length=1, max_length=8)] = (1,)
        """Sizes."""

    (sizes,) = (one for one in options(Bounded, [Bounded()]) if one.name == "sizes")
    assert sizes.doc == "Sizes. Of length 1 to 8, 1 to 1024."


def test_nested_defaults_are_told_by_what_they_change() -> None:
    rows = [ToyConfig(args=ToyArgs(kind="gated"))]
    found = {each.name: each for each in options(ToyConfig, rows)}
    assert found["args"].doc == "Nested choices. Default: ToyArgs(kind='gated')."
    assert found["args"].default == "..."


def test_the_factorys_keywords_are_the_reserved_ones_and_documented() -> None:
    found = {each.name: each for each in keywords(create_backbone)}
    assert {*found, "model"} == RESERVED_OPTIONS
    assert {each.name for each in keywords(create_model)} <= RESERVED_OPTIONS
    assert found["seed"].type == "int | None"
    assert found["limits"].default == "..."
    assert all(each.doc for each in found.values())


def test_a_docstring_is_split_at_its_arguments() -> None:
    def documented(one: int, *, two: int) -> None:
        """Does it.

        Twice.

        Args:
            one: the first,
                on two lines.
            two: the second.

        Raises:
            ValueError: never.
        """

    doc = split_doc(documented)
    assert doc.before == "Does it.\n\nTwice."
    assert doc.arguments == {"one": "the first, on two lines.", "two": "the second."}
    assert doc.after == "Raises:\n    ValueError: never."
