"""Pydantic's findings as problems of ours."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from typedvision.errors import Problem, ProblemKind, did_you_mean, listed, shown

Path = tuple[str | int, ...]


class Conflict(NamedTuple):
    """Fields that are valid one by one and cannot go together."""

    message: str
    """What cannot go together and what instead; names every field."""
    field: str
    """The field to change first."""
    allowed: tuple[object, ...] = ()
    """Every value that the field could have instead, where these can be listed."""


def refuse(conflicts: Iterable[Conflict]) -> None:
    """Raise all conflicts, if there are any, as one finding of a validator."""
    found = tuple(conflicts)
    if found:
        raise PydanticCustomError("conflicts", "conflicting fields", {"conflicts": found})


def problems_of(
    error: ValidationError, given: Mapping[str, object], config: type[BaseModel]
) -> tuple[Problem, ...]:
    """What Pydantic found in `given`: one problem for each place, in the order of `given`."""
    problems: dict[Path, Problem] = {}
    details = error.errors(include_url=False)
    suggest = len(details) <= _SUGGESTED
    for detail in details:
        for problem in _problems(detail, _path(detail["loc"], given), given, config, suggest):
            earlier = problems.get(problem.path)
            # Several findings at one place are the branches of a union.
            problems[problem.path] = _either(earlier, problem) if earlier else problem
    # A branch that got as far as an item is what the caller was aiming at.
    inside = {path[:depth] for path in problems for depth in range(len(path))}
    aimed = [
        problem
        for path, problem in problems.items()
        if path not in inside or problem.kind not in ("type", "choice", "length")
    ]
    order: dict[Path, int] = {(key,): place for place, key in enumerate(given)}
    return tuple(sorted(aimed, key=lambda one: order.get(one.path[:1], len(order))))


_SUGGESTED = 256  # problems; a document with more of them was not misspelt
_TYPES = {
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a string",
    "tuple_type": "a list",
    "model_type": "an object",
    "dict_type": "an object",
    "none_required": "null",
}


def _problems(
    detail: ErrorDetails, path: Path, given: object, config: type[BaseModel], suggest: bool
) -> Iterator[Problem]:
    if detail["type"] != "conflicts":
        yield _problem(detail, path, config, suggest)
        return
    for message, field, allowed in detail.get("ctx", {})["conflicts"]:
        place = (*path, field)
        yield Problem(place, "conflict", message, _at(place, given), allowed)


def _problem(detail: ErrorDetails, path: Path, config: type[BaseModel], suggest: bool) -> Problem:
    value, context = detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            fields = _field_names(config, path[:-1]) if suggest else ()
            near = did_you_mean(str(path[-1]), [name for name in fields if name != path[-1]])
            return Problem(path, "unknown", f"no such option{_hint(near)}", value, (), near)
        case "missing":
            return Problem(path, "missing", "is required")
        case "greater_than":
            return _range(path, f"more than {context['gt']}", value)
        case "greater_than_equal":
            return _range(path, f"at least {context['ge']}", value)
        case "less_than":
            return _range(path, f"less than {context['lt']}", value)
        case "less_than_equal":
            return _range(path, f"at most {context['le']}", value)
        case "finite_number":
            return _range(path, "finite", value)
        case "too_short":
            return _length(path, "at least", context["min_length"], "item", value)
        case "too_long":
            return _length(path, "at most", context["max_length"], "item", value)
        case "string_too_short":
            return _length(path, "at least", context["min_length"], "character", value)
        case "string_too_long":
            return _length(path, "at most", context["max_length"], "character", value)
        case "string_pattern_mismatch":
            message = f"must match {context['pattern']}; got {shown(value)}"
            return Problem(path, "value", message, value)
        case "literal_error":
            return _choice(path, _literals(context["expected"]), value)
        case kind if kind in _TYPES:
            return Problem(path, "type", f"must be {_TYPES[kind]}; got {shown(value)}", value)
        case kind:
            fallback: ProblemKind = "type" if kind.endswith("_type") else "value"
            return Problem(path, fallback, detail["msg"], value)


def _range(path: Path, bound: str, value: object) -> Problem:
    return Problem(path, "range", f"must be {bound}; got {shown(value)}", value)


def _length(path: Path, bound: str, count: int, what: str, value: object) -> Problem:
    plural = "" if count == 1 else "s"
    message = f"must have {bound} {count} {what}{plural}; got {shown(value)}"
    return Problem(path, "length", message, value)


def _choice(path: Path, allowed: tuple[object, ...], value: object) -> Problem:
    names = [name for name in allowed if isinstance(name, str)]
    near = did_you_mean(value, names) if isinstance(value, str) else ()
    message = f"must be {listed(allowed)}; got {shown(value)}{_hint(near)}"
    return Problem(path, "choice", message, value, allowed, near)


def _either(first: Problem, second: Problem) -> Problem:
    """One problem for two branches of a union: `must be an integer or a list; got 'x'`."""
    start, wanted = "must be ", second.message.partition("; got ")[0]
    if first.kind == second.kind == "type" and wanted.startswith(start):
        head, _, got = first.message.partition("; got ")
        types = head.removeprefix(start).split(" or ")
        if wanted.removeprefix(start) in types:
            return first
        message = f"{head} or {wanted.removeprefix(start)}; got {got}"
        return Problem(first.path, "type", message, first.value)
    # A branch that got as far as a bound or a choice is what the caller was aiming at.
    return first if first.kind != "type" else second


def _path(location: Path, given: object) -> Path:
    """Pydantic's location without the labels that it adds for the branches of a union."""
    path: list[str | int] = []
    here = given
    for part in location:
        if isinstance(here, list | tuple) and isinstance(part, int):
            here = here[part] if part < len(here) else None
        elif isinstance(here, Mapping) and isinstance(part, str):
            here = here.get(part)
        elif isinstance(here, BaseModel) and isinstance(part, str):
            here = getattr(here, part, None)
        else:
            continue
        path.append(part)
    return tuple(path)


def _at(path: Path, given: object) -> object:
    """What stands at `path` inside of `given`; None where nothing was given."""
    for part in path:
        given = given.get(part) if isinstance(given, Mapping) else getattr(given, str(part), None)
    return given


def _field_names(config: type[BaseModel], path: Path) -> tuple[str, ...]:
    """The fields of any config that can stand at `path` inside of `config`."""
    configs = [config]
    for part in path:
        if isinstance(part, int):
            continue  # an item of a list: what the list holds is already known
        fields = [each.model_fields[part] for each in configs if part in each.model_fields]
        inner = [each for field in fields for each in _types(field.annotation)]
        configs = [each for each in inner if issubclass(each, BaseModel)]
    return tuple(dict.fromkeys(name for each in configs for name in each.model_fields))


def _types(annotation: object) -> list[type]:
    arguments = getattr(annotation, "__args__", ())
    inner = [found for argument in arguments for found in _types(argument)]
    return inner or ([annotation] if isinstance(annotation, type) else [])


def _literals(expected: str) -> tuple[object, ...]:
    """The values in Pydantic's sentence `'a', 'b' or 'c'`."""
    return tuple(ast.literal_eval(part) for part in expected.replace(" or ", ", ").split(", "))


def _hint(near: tuple[str, ...]) -> str:
    return f"; did you mean {listed(near)}?" if near else ""
