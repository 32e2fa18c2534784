"""The arguments that commands share: spec files, published models, options."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from typedvision.cli.output import working
from typedvision.config.strict_json import MAX_BYTES, parse_json
from typedvision.errors import SpecError, UsageError, WeightsError
from typedvision.registry import index

if TYPE_CHECKING:
    from typedvision.architecture.summary import ModelSummary
    from typedvision.registry.backbone import BackboneSpec
    from typedvision.registry.spec import ModelSpec

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="OPTION=VALUE",
        help="Another value for an option, as JSON or plain text; a dot reaches into a nested"
        " one. Repeatable.",
    ),
]


def names(incomplete: str) -> list[str]:
    """The published models whose names start with a text, for the shell's completion."""
    return [name for name in index.variants() if name.startswith(incomplete)]


def parameters(variant: str) -> int | None:
    """The number of parameters of a published model; None where it is not in the index."""
    for family in index.rows().values():
        if variant in family["variants"]:
            return family["variants"][variant]["params"]
    return None


def read_file(name: str) -> bytes:
    """Read the bytes of a file, or of stdin for `-`; only the first of too large a file.

    Raises:
        typer.BadParameter: it cannot be read.
    """
    from typedvision.weights.files import read_bytes, to_path

    if name == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        return read_bytes(to_path(name), MAX_BYTES)
    except (UsageError, WeightsError) as error:
        raise typer.BadParameter(error.summary) from None


def read_model(model: str, settings: Iterable[str] | None) -> ModelSpec:
    """Read the spec of a published model or of a file, with other options.

    Args:
        model: a name; a spec file, if it ends in `.json` or is `-`; or a checkpoint that carries
            its spec, if it ends in `.safetensors` or is a folder.
        settings: `option=value`, each.

    Raises:
        TypedVisionError: there is no such model, or the spec or an option is wrong.
        typer.BadParameter: a setting is no such pair, or the file cannot be read.
    """
    spec = _read_spec(model)
    options: dict[str, object] = {}
    for setting in settings or ():
        path, equals, text = setting.partition("=")
        if not equals:
            raise typer.BadParameter(
                f"'{setting}' must be OPTION=VALUE, as in num_classes=10", param_hint="--set"
            )
        options = _with(options or spec.to_dict()["config"], path.split("."), _value(text))
    return spec.with_options(**options)


def _read_spec(model: str) -> ModelSpec:
    from typedvision.factory import specify
    from typedvision.registry.spec import ModelSpec

    if model != "-" and not model.endswith((".json", ".safetensors")) and not os.path.isdir(model):
        return specify(model)
    spec = spec_of(model)
    if not isinstance(spec, ModelSpec):
        raise UsageError(f"'{model}' holds a {spec.subject}, not a model")
    return spec


def spec_of(file: str) -> ModelSpec | BackboneSpec:
    """Read the spec in a file, or the one that a checkpoint carries.

    Args:
        file: a checkpoint, if it ends in `.safetensors`, is an index or a folder; otherwise a
            spec file, `-` being stdin.

    Raises:
        SpecError: the spec is not valid.
        WeightsError: the checkpoint cannot be read, or does not say what it is.
        typer.BadParameter: the file cannot be read.
    """
    from typedvision.registry.backbone import parse_spec
    from typedvision.weights.inspect import inspect

    if not file.endswith((".safetensors", ".safetensors.index.json")) and not os.path.isdir(file):
        return parse_spec(read_file(file))
    spec = inspect(file).spec
    if spec is None:
        raise WeightsError(
            f"'{file}' does not say what model it is: `typedvision convert` writes a file that does"
        )
    return spec


def summary_of(spec: ModelSpec) -> ModelSummary:
    """Count the levels of a model; this loads torch."""
    with working("counting"):
        from typedvision.architecture.summary import summarize

        return summarize(spec)


def _value(text: str) -> object:
    """Parse a value as JSON; text that is not JSON is the value itself."""
    try:
        return parse_json(text)
    except SpecError:
        return text


def _with(values: object, path: list[str], value: object) -> dict[str, object]:
    """Set `value` at `path` in `values`; what is not an object on the way becomes one."""
    known = dict(values) if isinstance(values, Mapping) else {}
    name, *rest = path
    return {**known, name: _with(known.get(name), rest, value) if rest else value}
