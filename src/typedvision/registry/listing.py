"""`list_models`: the names of published models, from the index alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from typedvision.errors import UnknownNameError, UsageError, shown
from typedvision.registry import index

if TYPE_CHECKING:
    from typedvision.registry.family import Capabilities, InputSize


def list_models(
    pattern: str | Sequence[str] = "*",
    *,
    exclude: str | Sequence[str] = (),
    family: str | None = None,
    tags: bool = False,
    accepts: str | Sequence[str] = (),
    input_size: InputSize | None = None,
    global_pool: str | None = None,
    license: str | Sequence[str] = (),
) -> list[str]:
    """The names of published models, sorted as people count; imports no torch.

    Args:
        pattern: shell wildcards (`"resnet*"`); a name is listed if any of them matches.
        exclude: wildcards of names to leave out.
        family: list this family only.
        tags: list each name with each tag of its weights instead, `"resnet50.a1_in1k"`; the
            wildcards then apply to the whole.
        accepts: list only models that have these options.
        input_size: list only models that take any input size, that of their config only
            (`"fixed"`), or multiples of a number.
        global_pool: list only models that offer this kind of pooling.
        license: wildcards of licences (`"apache-*"`); list only models whose weights have one of
            them: with `tags` those of the tag, otherwise the default ones. A licence that is not
            known matches nothing.

    Raises:
        UnknownNameError: there is no such family, or no family has such an option.
        UsageError: a wildcard, option or licence is no text.
    """
    names = index.variants(family)
    for option in _several(accepts):
        owners = index.owners(option)
        if not owners:
            raise UnknownNameError.of("option", option, index.options())
        names = tuple(name for name in names if index.family_key(name) in owners)
    if input_size is not None:
        names = tuple(name for name in names if _capabilities(name).input_size == input_size)
    if global_pool is not None:
        names = tuple(name for name in names if global_pool in _capabilities(name).global_pool)
    if tags:
        names = tuple(f"{name}.{tag}" for name in names for tag in index.tags(name))
    names = tuple(name for name in names if _matches(name, pattern) and not _matches(name, exclude))
    if license:
        names = tuple(name for name in names if _matches(index.license_of(name), license))
    return sorted(names, key=natural_sort_key)


def _several(patterns: object) -> tuple[str, ...]:
    if isinstance(patterns, str):
        return (patterns,)
    if isinstance(patterns, Sequence) and all(isinstance(one, str) for one in patterns):
        return tuple(patterns)
    raise UsageError(f"list_models takes a text or several of them; got {shown(patterns)}")


def _capabilities(variant: str) -> Capabilities:
    return index.family(index.family_key(variant) or "").capabilities


def _matches(text: str | None, patterns: str | Sequence[str]) -> bool:
    return text is not None and any(fnmatchcase(text, one) for one in _several(patterns))


def natural_sort_key(name: str) -> list[tuple[bool, int, str]]:
    """A sort key that puts `resnet50` before `resnet101`."""
    parts = re.split(r"(\d+)", name)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
