"""Finds families: ours by a generated index, those of plug-ins by their entry points.

The index says which module to import for a name. It is never an authority: the family that it
leads to confirms the name.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, TypedDict

from typedvision.errors import (
    DeclarationError,
    Problem,
    UnknownNameError,
    UsageError,
    deprecated,
    listed,
    shown,
)

if TYPE_CHECKING:
    from typedvision.config.base import ModelConfig
    from typedvision.registry.family import AnyFamily

ENTRY_POINT_GROUP = "typedvision.families"
"""Where a plug-in, a third party's package, names its families:
`mykey = "mypackage.mykey.family:MyFamily"`."""

registered: dict[str, AnyFamily] = {}
"""Every family whose class statement has run, by key."""


class VariantRow(TypedDict):
    """What the index says of one variant."""

    params: int
    tags: dict[str, str | None]
    """The licence of each tag's weights, the default tag first; None where it is not known."""


class FamilyRow(TypedDict):
    """What the index says of one family."""

    config: str
    """Name of the class of its configs."""
    options: list[str]
    aliases: dict[str, str]
    """Old names, each with the variant and, where it meant one, the tag that took its place."""
    variants: dict[str, VariantRow]


@cache
def rows() -> Mapping[str, FamilyRow]:
    """The generated index of our own families, by key; reading it imports no family."""
    text = resources.files("typedvision.registry").joinpath("index.json").read_text("utf-8")
    index: dict[str, FamilyRow] = json.loads(text)
    return index


@cache
def _own_variants() -> Mapping[str, str]:
    """Every variant of our own families, with its family's key."""
    return {name: key for key, row in rows().items() for name in row["variants"]}


@cache
def config_names() -> Mapping[str, str]:
    """The names of the config classes of our own families, each with its family's key."""
    return {row["config"]: key for key, row in rows().items()}


@cache
def _plugins() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def family(key: str) -> AnyFamily:
    """The family of that key; imports its package, and no torch.

    Raises:
        UnknownNameError: there is no such family.
        DeclarationError: a plug-in's family cannot be loaded, or takes a name of ours.
    """
    if key not in registered:
        if key in rows():
            importlib.import_module(f"typedvision.families.{key}.family")
        elif key in _plugins():
            _load(_plugins()[key])
    if key not in registered:
        raise UnknownNameError.of("family", key, family_keys())
    if key not in rows():
        _check_names(registered[key])
    return registered[key]


def _load(plugin: EntryPoint) -> None:
    """Run a plug-in's module, which declares its families."""
    where = f"the entry point '{plugin.name} = {plugin.value}'"
    before = registered.keys() & rows().keys()
    try:
        plugin.load()
    except (Exception, SystemExit) as error:  # whatever others' code does, say whose it is
        why = f"it exits with {error}" if isinstance(error, SystemExit) else error
        raise DeclarationError(f"{where} cannot be loaded: {why}") from error
    finally:
        for key in (registered.keys() & rows().keys()) - before:
            if not registered[key].__module__.startswith("typedvision.families."):
                del registered[key]
    if plugin.name not in registered:
        raise DeclarationError(f"{where} loads no family of that key: name it by the family's key")


def _check_names(plugin: AnyFamily) -> None:
    """Refuse a name of a plug-in that is one of our variants: one of the two would be hidden."""
    own = _own_variants()
    taken = [
        Problem((name,), "value", f"is a variant of our family '{own[name]}': give it another name")
        for name in (*plugin.variants, *plugin.aliases())
        if name in own
    ]
    if taken:
        where = f"{plugin.__module__}.{plugin.__qualname__}"
        raise DeclarationError(f"the plug-in '{plugin.key}' ({where}) takes names of ours", taken)


def family_keys() -> tuple[str, ...]:
    """The keys of every family that can be found, sorted."""
    return tuple(sorted({*rows(), *_plugins(), *registered}))


def has_plugins() -> bool:
    """Whether a plug-in's family is installed, or one of the running program's; loads none."""
    return any(key not in rows() for key in family_keys())


def plugin_families() -> tuple[AnyFamily, ...]:
    """Families that the index does not know: plug-ins', and those of the running program.

    One that cannot be loaded is left out with a warning, so that it harms nobody else.
    """
    found = []
    for key in family_keys():
        if key not in rows():
            try:
                found.append(family(key))
            except DeclarationError as error:
                warnings.warn(str(error), RuntimeWarning, stacklevel=2)
    return tuple(found)


def families() -> dict[str, AnyFamily]:
    """Every family by its key, ours and those of plug-ins that can be loaded; imports them all."""
    found = {key: family(key) for key in rows()} | {one.key: one for one in plugin_families()}
    return dict(sorted(found.items()))


def variants(key: str | None = None) -> tuple[str, ...]:
    """The names of every variant, or of one family's, sorted.

    Raises:
        UnknownNameError: there is no such family.
    """
    if key is not None:
        return tuple(sorted(rows()[key]["variants"] if key in rows() else family(key).variants))
    return tuple(sorted({*_own_variants()}.union(*(one.variants for one in plugin_families()))))


def family_key(variant: str) -> str | None:
    """The key of the family that publishes a variant; imports none of our own families."""
    if variant in _own_variants():
        return _own_variants()[variant]
    return next((one.key for one in plugin_families() if variant in one.variants), None)


def aliases() -> Mapping[str, str]:
    """Old names, each with the name, and perhaps the tag, that took its place."""
    own = {old: name for row in rows().values() for old, name in row["aliases"].items()}
    return {old: name for one in plugin_families() for old, name in one.aliases().items()} | own


def present_name(name: str) -> tuple[str, str | None]:
    """The variant that a name means, and the tag of its weights if it names one.

    An old name is followed to the one that took its place, with a DeprecationWarning.

    Raises:
        UsageError: it is no name.
    """
    if not isinstance(name, str):
        raise UsageError(f"a model is called by its name; got {shown(name)}")
    if name.endswith((".safetensors", ".json")):
        raise UsageError(
            f"{shown(name)} is a file, not a name: load_model reads a checkpoint, "
            "ModelSpec.from_json a spec"
        )
    variant, dot, tag = name.partition(".")
    known = family_key(variant) is not None  # asked first: it loads no plug-in for a name of ours
    present = None if known else aliases().get(variant)
    if present is None:
        return variant, tag if dot else None
    deprecated(f"the model '{variant}' is now called '{present}'")
    variant, _, meant = present.partition(".")
    return variant, tag if dot else meant or None


def tags(variant: str) -> tuple[str, ...]:
    """The tags of a variant's published weights, the default first."""
    return tuple(licenses(variant))


def licenses(variant: str) -> Mapping[str, str | None]:
    """The licence of each tag of a variant, the default tag first; None where it is not known."""
    if variant in _own_variants():
        return rows()[_own_variants()[variant]]["variants"][variant]["tags"]
    family = family_of(variant)
    return {tag: family.weights(variant, tag).license for tag in family.tags(variant)}


def license_of(name: str) -> str | None:
    """The licence of a variant's default weights, or of those that `variant.tag` names."""
    variant, _, tag = name.partition(".")
    known = licenses(variant)
    return known.get(tag or next(iter(known), ""))


def family_of(variant: str) -> AnyFamily:
    """The family that publishes a variant.

    Raises:
        UnknownNameError: nobody publishes it; near names are suggested.
    """
    key = family_key(variant)
    if key is not None and variant in family(key).variants:
        return family(key)
    raise unknown("model", variant, variants())


def unknown(what: str, name: str, names: Sequence[str]) -> UnknownNameError:
    """The error that there is no model of this name, with those that start with it, or near ones.

    Args:
        what: what was looked for: `model`.
        name: the name that was given.
        names: every name that there is.
    """
    start = name.casefold().replace("-", "_")
    longer = [known for known in names if start and known.startswith(start)]
    if not longer:
        return UnknownNameError.of(what, name, names)
    usual = tuple(sorted(longer, key=_how_usual)[:3])
    summary = f"no {what} {shown(name)}; did you mean {listed(usual)}?"
    return UnknownNameError(summary, [Problem((), "unknown", summary, name, (), usual)])


def _how_usual(name: str) -> tuple[int, int, str]:
    """A sort key: first the names with the most published weights, then the short ones."""
    key = _own_variants().get(name)
    count = len(rows()[key]["variants"][name]["tags"]) if key else 0
    return -count, len(name), name


def family_of_config(config: type[ModelConfig]) -> AnyFamily:
    """The family that a class of configs belongs to: it stands in the same package.

    Raises:
        UnknownNameError: no family has this class of configs.
    """
    module = f"{config.__module__.rpartition('.')[0]}.family"
    if module not in sys.modules and _exists(module):
        importlib.import_module(module)
    for found in registered.values():
        if found.config_type() is config:
            return found
    raise UnknownNameError(f"no family has a config of class {config.__name__}")


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # its package is none
        return False


def options() -> tuple[str, ...]:
    """Every option that some family has, sorted."""
    own = {option for row in rows().values() for option in row["options"]}
    return tuple(sorted(own.union(*(one.config_type().model_fields for one in plugin_families()))))


def owners(option: str) -> tuple[str, ...]:
    """The keys of the families whose config has an option, sorted."""
    own = [key for key, row in rows().items() if option in row["options"]]
    others = [one.key for one in plugin_families() if option in one.config_type().model_fields]
    return tuple(sorted([*own, *others]))
