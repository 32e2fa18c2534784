"""The choices that a config makes: each value of a field that can only be one of a few.

Numbers from another implementation prove a choice only where a model that makes it was compared. A
choice is `field=value` of a name, a truth value or None; of the kind, where a field takes several
kinds; and of whether a count that may be zero is.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

from typedvision.config.base import Config


def choices(config: Config) -> frozenset[str]:
    """Every choice of a config, those of nested configs with the path of their field."""
    return frozenset(_inside("", config))


def cover(rows: Mapping[str, Config], cost: Mapping[str, int]) -> list[str]:
    """Few and cheap rows that together make every choice that any row makes, the cheapest first.

    Args:
        rows: configs, by name.
        cost: what comparing each row costs; the cheapest row is always one of them.
    """
    made = {name: choices(config) for name, config in rows.items()}
    names = sorted(rows, key=lambda name: (cost[name], name))
    chosen = names[:1]
    for choice in sorted(set().union(*made.values())):
        if not any(choice in made[name] for name in chosen):
            chosen.append(next(name for name in names if choice in made[name]))
    for name in sorted(chosen[1:], key=lambda name: cost[name], reverse=True):
        others = set().union(*(made[other] for other in chosen if other != name))
        if made[name] <= others:
            chosen.remove(name)
    return sorted(chosen, key=names.index)


def _inside(path: str, config: Config) -> Iterator[str]:
    hints = _hints(type(config))
    for name in type(config).model_fields:
        yield from _of(f"{path}{name}", list(_branches(hints[name])), getattr(config, name))


@cache
def _hints(config: type[Config]) -> dict[str, object]:
    return get_type_hints(config, include_extras=True)


def _of(path: str, branches: list[object], value: object) -> Iterator[str]:
    listed = [
        item for branch in branches if get_origin(branch) is Literal for item in get_args(branch)
    ]
    if value is None or isinstance(value, bool | str) or value in listed:
        yield f"{path}={value!r}"
    elif len({_kind(branch) for branch in branches}) > 1:
        yield f"{path}={_kind(type(value))}"
    elif value == 0 and isinstance(value, int):
        yield f"{path}=0"
    elif isinstance(value, int) and _may_be_zero(branches):
        yield f"{path}>0"
    if isinstance(value, Config):
        yield from _inside(f"{path}.", value)
    if isinstance(value, tuple):
        items = [
            inner
            for branch in branches
            if get_origin(branch) is tuple
            for item in get_args(branch)
            if item is not ...
            for inner in _branches(item)
        ]
        for item in value:
            yield from _of(f"{path}[]", items, item)


def _branches(annotation: object) -> Iterator[object]:
    """The types of a union, each as it is written; a single type alone."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        for branch in get_args(annotation):
            yield from _branches(branch)
    elif origin is Annotated and get_origin(get_args(annotation)[0]) is not None:
        yield from _branches(get_args(annotation)[0])
    else:
        yield annotation


def _kind(branch: object) -> str:
    """What a type is to a reader: a number, a tuple, a name, or a config by its class."""
    plain = get_args(branch)[0] if get_origin(branch) is Annotated else branch
    if get_origin(plain) is tuple or plain is tuple:
        return "tuple"
    if get_origin(plain) is Literal:
        return "name"
    if plain in (int, float):
        return "number"
    return getattr(plain, "__name__", str(plain))


def _may_be_zero(branches: list[object]) -> bool:
    """Whether an integer's bound is zero."""
    bounds = [
        getattr(rule, "ge", None)
        for branch in branches
        if get_origin(branch) is Annotated and get_args(branch)[0] is int
        for extra in get_args(branch)[1:]
        for rule in getattr(extra, "metadata", ())
    ]
    return 0 in bounds
