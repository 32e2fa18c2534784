"""`typedvision show`: print a model or a family and its options."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from typedvision.cli.models import names, parameters, summary_of
from typedvision.cli.output import AsJson, errors_shown, print_json, print_table, print_text
from typedvision.registry import index

if TYPE_CHECKING:
    from typedvision.cli.options import Group
    from typedvision.config.base import ModelConfig
    from typedvision.config.weights import PublishedWeights
    from typedvision.registry.family import AnyFamily
    from typedvision.registry.spec import ModelSpec

Name = Annotated[
    str, typer.Argument(help="Name of a model, name.tag, or a family.", autocompletion=names)
]

Plan = Annotated[bool, typer.Option("--plan/--no-plan", help="Count the levels; this loads torch.")]

_OTHER_SIZES = {
    "any": "any other size works",
    "fixed": "no other size works",
    "multiple": "other multiples work",
}
_VALUE_WIDTH = 32  # leaves room for the meaning


def show(name: Name, plan: Plan = True, as_json: AsJson = False) -> None:
    """Show a model or a family: what it is, its options with bounds and defaults, its weights.

    Of a model, a plan follows: the resolution, channels, parameters and multiply-adds of each
    level. Counting them loads torch.

    \b
    Examples:
      typedvision show resnet50
      typedvision show resnet50 --no-plan
      typedvision show resnet --json
    """
    from typedvision.factory import specify

    with errors_shown(as_json):
        if name in index.family_keys():
            _show_family(index.family(name), as_json)
        else:
            _show_model(specify(name), plan, as_json)


def _show_family(family: AnyFamily, as_json: bool) -> None:
    from typedvision.cli.options import option_groups

    groups = option_groups(family.config_type())
    models = {name: parameters(name) for name in family.variants}
    if as_json:
        print_json({**_about(family, groups), "models": models})
        return
    _print_heading(family.key, family)
    _print_options(groups, {})
    _print_section("Models")
    counts = [(name, "" if count is None else f"{count:,}") for name, count in models.items()]
    print_table(["name", "parameters"], counts)


def _show_model(spec: ModelSpec, plan: bool, as_json: bool) -> None:
    from typedvision.cli.options import option_groups

    family, variant = index.family(spec.family), spec.variant
    assert variant is not None  # a name leads to a variant
    groups = option_groups(family.config_type())
    weights = {tag: family.weights(variant, tag) for tag in family.tags(variant)}
    # The index counts the model with its default classes; a tag may have others.
    count = parameters(variant) if spec.tag is None else None
    if as_json:
        document = spec.to_dict()
        levels = spec.config.features()
        print_json(
            {
                "name": variant,
                "tag": spec.tag,
                **_about(family, groups),
                "parameters": count,
                "image": document["image"],
                "config": document["config"],
                "features": [dataclasses.asdict(level) for level in levels],
                "weights": {tag: row.model_dump(mode="json") for tag, row in weights.items()},
                **(summary_of(spec).to_dict() if plan else {}),
            }
        )
        return
    _print_heading(variant, family)
    if count is not None:
        print_text(f"parameters  {count:,}")
    height, width = spec.image.size
    others = _OTHER_SIZES[family.capabilities.input_size]
    print_text(f"input       {spec.config.in_chans} x {height} x {width}; {others}")
    _print_options(groups, _values(spec.config))
    if weights:
        _print_section("Weights, the default first")
        published = [_published(tag, row) for tag, row in weights.items()]
        print_table(["tag", "classes", "input", "license"], published)
    if plan:
        _print_plan(spec)
    else:
        _print_levels(spec)


def _print_levels(spec: ModelSpec) -> None:
    _print_section("Feature levels")
    rows = [
        (level.name, str(level.channels), str(level.stride)) for level in spec.config.features()
    ]
    print_table(["module", "channels", "stride"], rows)


def _print_plan(spec: ModelSpec) -> None:
    height, width = spec.image.size
    _print_section(f"Plan, for an image of {height} x {width}")
    summary = summary_of(spec)
    rows = [
        (
            level.name,
            " x ".join(map(str, level.size or ())),
            str(level.channels),
            f"{level.parameters:,}",
            f"{level.multiply_adds:,}",
        )
        for level in summary.folded()
    ]
    total = ("total", "", "", f"{summary.parameters:,}", f"{summary.multiply_adds:,}")
    print_table(["level", "resolution", "channels", "parameters", "multiply-adds"], [*rows, total])


def _about(family: AnyFamily, groups: tuple[Group, ...]) -> dict[str, object]:
    return {
        "family": family.key,
        "title": family.title,
        "paper": family.paper,
        "capabilities": dataclasses.asdict(family.capabilities),
        "options": {
            group.name: [dataclasses.asdict(option) for option in group.options] for group in groups
        },
    }


def _published(tag: str, weights: PublishedWeights) -> tuple[str, ...]:
    height, width = weights.image.size
    return tag, str(weights.num_classes), f"{height} x {width}", weights.license or "unknown"


def _values(config: ModelConfig) -> dict[str, str]:
    """The value of each option; of a nested config, the options that differ from its defaults."""
    everything = config.model_dump(mode="json")
    differing = config.model_dump(mode="json", exclude_defaults=True)
    return {name: json.dumps(differing.get(name, value)) for name, value in everything.items()}


def _print_heading(name: str, family: AnyFamily) -> None:
    print_text(name)
    print_text(f"family      {family.key}: {family.title}, {family.paper}")


def _print_section(title: str) -> None:
    print_text(f"\n{title}")


def _print_options(groups: tuple[Group, ...], values: Mapping[str, str]) -> None:
    """Print the options of each config class; `values` are those of the first class."""
    for group in groups:
        _print_section(f"{group.name}: {group.doc}")
        rows = []
        for option in group.options:
            default = "" if option.required else json.dumps(option.default)
            value = values.get(option.name, default)
            remark = f"; default {default}" if value != default else ""
            remark = "; required" if option.required else remark
            meaning = f"{option.doc}\n{option.takes}{remark}"
            rows.append((option.name, textwrap.fill(value, _VALUE_WIDTH), meaning))
        print_table(["option", "value" if values else "default", "meaning"], rows)
        values = {}
