"""Reads the `config.json` that timm writes into a hub repository, as a spec of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from typedvision.config.image import ImageSpec
from typedvision.errors import ConfigError, Problem, SpecError, UnknownNameError, problem_count
from typedvision.registry import index
from typedvision.registry.spec import ModelSpec, configure_family

_IMAGE_FIELDS = ("mean", "std", "interpolation", "crop_pct", "crop_mode")


def read_timm_config(document: object, source: str) -> ModelSpec:
    """The spec of timm's document: `architecture`, `pretrained_cfg`, `model_args`, `label_names`.

    Args:
        document: the decoded document.
        source: where it is from, as an error names it.

    Raises:
        SpecError: naming every problem, with its path in the document.
    """
    problems: list[Problem] = []
    fields = document if isinstance(document, Mapping) else {}
    arguments = _mapping(fields, "model_args", problems)
    pretrained = _mapping(fields, "pretrained_cfg", problems)
    name = fields.get("architecture")
    if not isinstance(name, str):
        problems.append(Problem(("architecture",), "missing", "must name the model", name))
    if problems:
        raise _spec_error(source, problems)
    present = index.aliases().get(str(name), str(name))
    variant = present.partition(".")[0]
    try:
        family = index.family_of(variant)
    except UnknownNameError as error:
        problem = replace(error.problems[0], path=("architecture",), message=error.summary)
        raise _spec_error(source, [problem]) from None
    given = {**_facts(fields, pretrained), **arguments}
    options = {**dict(family.variants[variant]), **given}
    try:
        config = configure_family(family, options, f"'{variant}'", given=given)
    except ConfigError as error:
        raise _spec_error(source, [_of_document(p, arguments) for p in error.problems]) from None
    try:
        image = ImageSpec.from_options(_image(pretrained))
    except ConfigError as error:
        located = [replace(p, path=("pretrained_cfg", *p.path)) for p in error.problems]
        raise _spec_error(source, located) from None
    spec = ModelSpec.from_config(config, variant=variant)
    spec = spec.replace(image=image.for_channels(config.in_chans))
    names = fields.get("label_names")
    if not isinstance(names, list) or len(names) != config.num_classes:
        return spec
    try:
        return spec.replace(class_names=names)
    except ConfigError as error:
        located = [replace(p, path=("label_names", *p.path[1:])) for p in error.problems]
        raise _spec_error(source, located) from None


def _mapping(
    fields: Mapping[str, object], name: str, problems: list[Problem]
) -> Mapping[str, object]:
    value = fields.get(name, {})
    if isinstance(value, Mapping):
        return value
    problems.append(Problem((name,), "type", "must be an object", value))
    return {}


def _facts(fields: Mapping[str, object], pretrained: Mapping[str, object]) -> dict[str, object]:
    """Options that timm writes beside `model_args`."""
    facts = {"num_classes": fields.get("num_classes", pretrained.get("num_classes"))}
    match pretrained.get("input_size"):
        case [channels, height, width]:
            facts["in_chans"] = channels
            if pretrained.get("fixed_input_size"):
                facts["img_size"] = (height, width)
    return {name: value for name, value in facts.items() if value is not None}


def _image(pretrained: Mapping[str, object]) -> dict[str, object]:
    image = {name: pretrained[name] for name in _IMAGE_FIELDS if name in pretrained}
    match pretrained.get("input_size"):
        case [_, height, width]:
            image["size"] = (height, width)
    return image


def _of_document(problem: Problem, arguments: Mapping[str, object]) -> Problem:
    """A problem of the config, with its path in the document."""
    first = problem.path[0]
    if first in arguments:
        return replace(problem, path=("model_args", *problem.path))
    if first in ("in_chans", "img_size"):
        return replace(problem, path=("pretrained_cfg", "input_size"))
    return problem  # `num_classes` stands at the top


def _spec_error(source: str, problems: list[Problem]) -> SpecError:
    return SpecError(f"{problem_count(len(problems))} in {source}", problems)
