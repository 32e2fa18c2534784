"""Options drawn at random: what a config's fields take, near what they are."""

from __future__ import annotations

import types
from functools import cache
from random import Random
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from typedvision.config.base import Config

Bounds = dict[str, Any]

NUMBERS = (1, 2, 3, 4, 6, 7, 8, 12, 16, 24, 32, 48, 64)
CLASSES_AND_CHANNELS = {"num_classes": (0, 1, 2, 5), "in_chans": (1, 2, 4)}


def mutated(config: Config, chance: Random) -> dict[str, object]:
    """Other values for one to four fields of a config."""
    names = list(type(config).model_fields)
    return {
        name: field_value(type(config), name, getattr(config, name), chance)
        for name in chance.sample(names, min(chance.randint(1, 4), len(names)))
    }


def field_value(config: type[Config], name: str, now: object, chance: Random) -> object:
    """A value of the type that a field has."""
    if name in CLASSES_AND_CHANNELS:
        return chance.choice(CLASSES_AND_CHANNELS[name])
    return drawn(_hints(config)[name], now, chance)


@cache
def _hints(config: type[Config]) -> dict[str, Any]:
    return get_type_hints(config, include_extras=True)


def drawn(annotation: Any, now: object, chance: Random) -> object:
    """A value of a type; most often of the same kind as the one that there is now."""
    branches = _branches(annotation, {})
    alike = [branch for branch in branches if _is_of(branch[0], now)]
    kind, bounds = chance.choice(alike if alike and chance.random() < 0.6 else branches)
    if kind is type(None):
        return None
    if get_origin(kind) is Literal:
        return chance.choice(get_args(kind))
    if kind is bool:
        return chance.random() < 0.5
    if kind is int:
        return _integer(bounds, now, chance)
    if kind is float:
        return _real(bounds, now, chance)
    if get_origin(kind) is tuple:
        return _several(get_args(kind), bounds, now, chance)
    if isinstance(now, kind):
        return dict(now) | mutated(now, chance)
    return {
        name: drawn(_hints(kind)[name], None, chance)
        for name, field in kind.model_fields.items()
        if field.is_required() or chance.random() < 0.2
    }


def _branches(annotation: Any, bounds: Bounds) -> list[tuple[Any, Bounds]]:
    """The types of a union, each with its bounds."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extras = get_args(annotation)
        rules = [rule for extra in extras for rule in getattr(extra, "metadata", ())]
        here = {
            name: getattr(rule, name)
            for rule in rules
            for name in ("ge", "gt", "le", "lt", "min_length", "max_length")
            if hasattr(rule, name)
        }
        return _branches(inner, {**bounds, **here})
    if origin in (Union, types.UnionType):
        return [found for branch in get_args(annotation) for found in _branches(branch, bounds)]
    return [(annotation, bounds)]


def _is_of(kind: Any, now: object) -> bool:
    """Whether a value is of a type, seen from far."""
    if get_origin(kind) is Literal:
        return now in get_args(kind)
    plain = get_origin(kind) or kind
    return isinstance(now, plain) and not (plain is int and isinstance(now, bool))


def _integer(bounds: Bounds, now: object, chance: Random) -> int:
    least = bounds.get("ge", bounds.get("gt", -1) + 1)
    most = bounds.get("le", bounds.get("lt", 10**6) - 1)
    near = [now - 1, now + 1, now // 2, now * 2] if type(now) is int else []
    numbers = [number for number in (least, *near, *NUMBERS) if least <= number <= most]
    return int(chance.choice(numbers))


def _real(bounds: Bounds, now: object, chance: Random) -> float:
    least, most = bounds.get("ge", bounds.get("gt", 0.0)), bounds.get("le", bounds.get("lt", 4.0))
    most = min(most, 4.0) if least < 4.0 else most
    near = [now, now / 2, now * 2] if isinstance(now, float) else []
    numbers = [least, most, *near, (least + most) / 2, chance.uniform(least, most), 1.0]
    return float(chance.choice([number for number in numbers if _within(number, bounds)]))


def _within(number: float, bounds: Bounds) -> bool:
    return (
        bounds.get("ge", number) <= number <= bounds.get("le", number)
        and ("gt" not in bounds or number > bounds["gt"])
        and ("lt" not in bounds or number < bounds["lt"])
    )


def _several(kinds: tuple[Any, ...], bounds: Bounds, now: object, chance: Random) -> object:
    items = list(now) if isinstance(now, tuple) else []
    if ... not in kinds:
        if len(items) != len(kinds):
            return tuple(drawn(kind, None, chance) for kind in kinds)
        place = chance.randrange(len(items))
        items[place] = drawn(kinds[place], items[place], chance)
        return tuple(items)
    if not items:
        count = max(bounds.get("min_length", 0), chance.randint(1, 3))
        return tuple(drawn(kinds[0], None, chance) for _ in range(count))
    place = chance.randrange(len(items))
    match chance.randrange(4):
        case 0 if len(items) > 1:
            del items[place]
        case 1:
            items.insert(place, items[place])
        case _:
            items[place] = drawn(kinds[0], items[place], chance)
    return tuple(items)
