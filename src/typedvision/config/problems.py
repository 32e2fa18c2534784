"""Pydantic's findings as problems of ours."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Set, Sized
from typing import NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from typedvision.errors import Problem, ProblemKind, did_you_mean, listed, shown

Path = tuple[str | int, ...]


class Conflict(NamedTuple):
    """Fields that are valid one by one and cannot go together.

    A word in single quotes that is a field of the config ('embed_dim') is one of these fields. The
    conflict is reported at those that the caller wrote. Where the caller wrote none of them it is
    reported at the only option that the caller did write, or else at `field`.
    """

    message: str
    """What cannot go together and what instead; quotes every field, and is true at each."""
    field: str
    """The field to change first."""
    allowed: tuple[object, ...] = ()
    """Every value that `field` could have instead, where these can be listed."""

    def fields(self, known: Container[str]) -> tuple[str, ...]:
        """The fields in question, the one to change first before the others; `known` are all."""
        quoted = [name for name in _QUOTED.findall(self.message) if name in known]
        return tuple(dict.fromkeys([self.field, *quoted]))


_QUOTED = re.compile(r"(?<!\w)'(\w+)'")


def refuse(conflicts: Iterable[Conflict], known: Container[str]) -> None:
    """Raise all conflicts, if there are any, as one finding of a validator.

    Args:
        conflicts: what cannot go together.
        known: the names of the config's fields.
    """
    found = [(one.message, one.fields(known), one.allowed) for one in conflicts]
    if found:
        raise PydanticCustomError("conflicts", "conflicting fields", {"conflicts": found})


def problems_of(
    error: ValidationError,
    options: Mapping[str, object],
    config: type[BaseModel],
    given: Collection[str] | None = None,
) -> tuple[Problem, ...]:
    """What Pydantic found in `options`: one problem for each place, in the order of `options`.

    Of more than ten thousand findings the last problem says how many are left out.

    Args:
        error: Pydantic's findings.
        options: what was validated.
        config: as what it was validated.
        given: the options that the caller wrote, where the others are of a published config; by
            default all of them.
    """
    given = options if given is None else given
    problems: dict[tuple[Path, str], Problem] = {}
    details = error.errors(include_url=False)
    suggest = len(details) <= SUGGESTED
    for detail in details[:_MOST]:
        path = _path(detail["loc"], options)
        if detail["type"] == "conflicts":
            for problem in _conflicts(detail, path, options, given if not path else None):
                problems[problem.path, problem.message] = problem
        else:
            problem = _problem(detail, path, config, suggest)
            earlier = problems.get((path, ""))
            # Several findings at one place are the branches of a union.
            problems[path, ""] = _either(earlier, problem) if earlier else problem
    # A branch that got as far as an item is what the caller was aiming at.
    inside = {path[:depth] for path, _ in problems for depth in range(len(path))}
    aimed = [
        problem
        for problem in problems.values()
        if problem.path not in inside or problem.kind not in ("type", "choice", "length")
    ]
    order: dict[Path, int] = {(key,): place for place, key in enumerate(options)}
    aimed.sort(key=lambda one: order.get(one.path[:1], len(order)))
    if len(details) > _MOST:
        aimed.append(Problem((), "length", f"has {len(details) - _MOST:,} more problems"))
    return tuple(aimed)


_MOST = 10_000  # problems in one error
SUGGESTED = 256
"""Most problems that come with near names: who made more of them misspelt nothing."""
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


def _conflicts(
    detail: ErrorDetails, path: Path, options: object, given: Collection[str] | None
) -> Iterator[Problem]:
    """The conflicts of the config at `path`, each at the fields that are `given` there."""
    if given is None:
        nested = _at(path, options)
        given = nested.model_fields_set if isinstance(nested, BaseModel) else ()
        given = nested if isinstance(nested, Mapping) else given
    for message, fields, allowed in detail.get("ctx", {})["conflicts"]:
        written = [name for name in fields if name in given]
        for field in written or (given if len(given) == 1 else fields[:1]):
            place = (*path, field)
            choices = allowed if field == fields[0] else ()
            yield Problem(place, "conflict", message, _at(place, options), choices)


def _problem(detail: ErrorDetails, path: Path, config: type[BaseModel], suggest: bool) -> Problem:
    value, context = detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            near = _near_fields(path, config) if suggest else ()
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
            got = f"{shown(value)}{_remedy(value, kind)}"
            return Problem(path, "type", f"must be {_TYPES[kind]}; got {got}", value)
        case "value_error":
            return Problem(path, "value", f"{context['error']}", value)
        case kind:
            fallback: ProblemKind = "type" if kind.endswith("_type") else "value"
            return Problem(path, fallback, detail["msg"], value)


def _remedy(value: object, kind: str) -> str:
    """What to write where a list was meant, and something was given that is like one."""
    if isinstance(value, Sized) and hasattr(type(value), "tolist"):  # an array, a tensor
        return ": write .tolist() after it"
    like_list = isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)
    if kind == "tuple_type" and like_list:
        return f": write {'sorted' if isinstance(value, Set) else 'list'}(...) around it"
    return ""


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
        got = max(got, second.message.partition("; got ")[2], key=len)  # the one with a remedy
        message = f"{head} or {wanted.removeprefix(start)}; got {got}"
        return Problem(first.path, "type", message, first.value)
    # A branch that got as far as a bound or a choice is what the caller was aiming at.
    return first if first.kind != "type" else second


def _path(location: Path, options: object) -> Path:
    """Pydantic's location without the labels that it adds for the branches of a union."""
    path: list[str | int] = []
    for part in location:
        if _holds(options, part):
            path.append(part)
            options = _item(options, part)
    return tuple(path)


def _at(path: Path, options: object) -> object:
    """What stands at `path` inside of `options`; None where nothing was given."""
    for part in path:
        options = _item(options, part)
    return options


def _holds(value: object, part: str | int) -> bool:
    """Whether a value is one that can have such a part."""
    if isinstance(part, int):
        return isinstance(value, list | tuple)
    return isinstance(value, Mapping | BaseModel)


def _item(value: object, part: str | int) -> object:
    if isinstance(value, list | tuple):
        return value[part] if isinstance(part, int) and part < len(value) else None
    if isinstance(value, Mapping):
        return value.get(part)
    return getattr(value, str(part), None)


def _near_fields(path: Path, config: type[BaseModel]) -> tuple[str, ...]:
    """Names that may have been meant by the unknown one at the end of `path`."""
    fields = _field_names(config, path[:-1])
    return did_you_mean(str(path[-1]), [name for name in fields if name != path[-1]])


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
    head, _, last = expected.rpartition(" or ")
    parts = [*head.split(", "), last] if head else [last]
    try:
        return tuple(ast.literal_eval(part) for part in parts)
    except (SyntaxError, ValueError):  # a value with a comma inside
        return (expected,)


def _hint(near: tuple[str, ...]) -> str:
    return f"; did you mean {listed(near)}?" if near else ""
