"""`BackboneSpec`: a model that gives feature levels, as a JSON document; imports no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Self

from pydantic import Field, ValidationInfo, field_validator

from typedvision.config.features import FeatureLevels, FeatureSpec
from typedvision.config.names import OutputFormat
from typedvision.config.problems import Conflict
from typedvision.config.strict_json import parse_json
from typedvision.errors import ConfigError, Problem, SpecError
from typedvision.registry.document import Document, open_document, spec_error
from typedvision.registry.spec import ModelSpec

_MOST = 1_024  # levels: every config bounds its depth by it
_Level = Annotated[int, Field(ge=-_MOST, lt=_MOST)]


class BackboneSpec(Document, FeatureLevels):
    """Everything that rebuilds a backbone: the model, and which of its feature levels it gives.

    Raises:
        ConfigError: naming every field that is wrong.
    """

    model: ModelSpec
    """The model whose feature levels these are."""
    out_indices: Annotated[tuple[_Level, ...], Field(min_length=1, max_length=_MOST)]
    """The levels in the order in which they come out; negative ones count from the last, and are
    stored counting from the first."""
    output_fmt: OutputFormat = "NCHW"
    """Layout of each level."""

    @property
    def levels(self) -> tuple[FeatureSpec, ...]:
        """What is known of each level, in the order in which they come out."""
        known = self.model.config.features()
        return tuple(known[index] for index in self.out_indices)

    def __hash__(self) -> int:  # type checkers take a Pydantic model to have none
        return super().__hash__()

    @property
    def subject(self) -> str:
        """What a sentence calls the backbone: `backbone of resnet50`."""
        return f"backbone of {self.model.subject}"

    @classmethod
    def from_dict(cls, document: object) -> Self:
        """Read a spec from a decoded JSON document; `model` is the document of a `ModelSpec`.

        Raises:
            SpecError: naming every problem, with its path in the document.
        """
        fields, head = open_document(document)
        if "family" in fields and "model" not in fields:
            raise spec_error([Problem((), "value", "is of a model: ModelSpec reads it")])
        fields, inside = _with_model(fields)
        try:
            spec = cls.from_options(fields)
        except ConfigError as error:
            said = {("model",)} if inside else set()
            found = [problem for problem in error.problems if problem.path not in said]
            raise spec_error([*head, *inside, *found]) from None
        if head:
            raise spec_error(head)
        return spec

    def to_dict(self) -> dict[str, object]:
        """The document as plain data, with every default written out."""
        return super().to_dict() | {"model": self.model.to_dict()}

    def with_options(self, **options: object) -> Self:
        """This spec with other options of its model's config.

        Raises:
            ConfigError: naming every option that is wrong.
        """
        return self.replace(model=self.model.with_options(**options))

    @field_validator("out_indices")
    @classmethod
    def _from_the_first(cls, indices: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        model: ModelSpec | None = info.data.get("model")
        count = len(model.config.features()) if model else 0
        return tuple(index + count if -count <= index < 0 else index for index in indices)

    def conflicts(self) -> Iterator[Conflict]:
        """Levels that the model does not have, or that are named twice."""
        known, indices = self.model.config.features(), self.out_indices
        unknown = [index for index in indices if index not in range(len(known))]
        twice = [index for place, index in enumerate(indices) if index in indices[:place]]
        if unknown:
            which = f"{_joined(unknown)}, which the model does not have: {_choices(known)}"
            choices = tuple(range(len(known)))
            yield Conflict(f"'out_indices' has {which}", "out_indices", choices)
        elif twice:
            which = f"{_joined(twice)} more than once: name each level once"
            yield Conflict(f"'out_indices' has {which}", "out_indices")


def backbone_spec_for(
    model: ModelSpec, out_indices: object, output_fmt: object, given: BackboneSpec | None = None
) -> BackboneSpec:
    """The spec of a backbone of a model.

    Args:
        model: the spec of the model.
        out_indices: the levels; None for those of `given`, or for all.
        output_fmt: layout of each level; None for that of `given`, or for `"NCHW"`.
        given: the spec that a caller started from.

    Raises:
        ConfigError: naming every field that is wrong.
    """
    if out_indices is None:
        out_indices = given.out_indices if given else range(len(model.config.features()))
    if output_fmt is None:
        output_fmt = given.output_fmt if given else "NCHW"
    indices = tuple(out_indices) if isinstance(out_indices, Sequence) else out_indices
    options = {"model": model, "out_indices": indices, "output_fmt": output_fmt}
    return BackboneSpec.from_options(options)


def parse_spec(text: str | bytes) -> ModelSpec | BackboneSpec:
    """The spec in a JSON document, whichever of the two it is.

    Raises:
        SpecError: naming every problem, with its path in the document.
    """
    document = parse_json(text)
    of_backbone = isinstance(document, Mapping) and "model" in document
    return (BackboneSpec if of_backbone else ModelSpec).from_dict(document)


def _joined(indices: list[int]) -> str:
    return ", ".join(map(str, indices))


def _choices(known: tuple[FeatureSpec, ...]) -> str:
    if not known:
        return "it has none"
    last = len(known) - 1
    return f"choose from 0 ('{known[0].name}') to {last} ('{known[last].name}')"


def _with_model(fields: dict[str, object]) -> tuple[dict[str, object], list[Problem]]:
    """The fields with the model's document read, or without it and what is wrong in there."""
    if "model" not in fields:
        return fields, []
    try:
        return {**fields, "model": ModelSpec.from_dict(fields["model"])}, []
    except SpecError as error:
        rest = {key: value for key, value in fields.items() if key != "model"}
        return rest, [
            dataclasses.replace(problem, path=("model", *problem.path))
            for problem in error.problems
        ]
