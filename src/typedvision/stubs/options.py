"""The keywords of a stub: their types, their defaults and the text that an editor shows."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from typedvision.config import names
from typedvision.config.base import Config, ModelConfig

VOCABULARIES = {
    alias: f"{names.__name__}.{name}"
    for name, alias in vars(names).items()
    if get_origin(alias) is Literal
}
"""The shared vocabularies, which a stub imports by name; every other `Literal` is spelled out."""

SHOWN = 6
"""As many values of a `Literal` every editor shows with its type, so that no text repeats them."""

_BOUNDS = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "min_length": "of length at least {}",
    "max_length": "of length at most {}",
}


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword of a stub's function."""

    name: str
    type: str
    """Source text of the type; a name of another module is qualified by that module."""
    default: str
    """Source text of the default, `...` where it depends on the variant."""
    doc: str
    """Text of one line that an editor shows."""


Names = Mapping[object, str]
"""Other names of classes, for a stub that does not import them."""


def options(
    config: type[ModelConfig], rows: Iterable[ModelConfig], names: Names = MappingProxyType({})
) -> list[Keyword]:
    """The fields of a config as keywords.

    Args:
        config: the config class.
        rows: the variants that the keywords are for; a default in which they differ is not told.
        names: other names of classes.
    """
    known = list(rows)
    return [_option(name, field, known, names) for name, field in config.model_fields.items()]


def nested_configs(config: type[Config]) -> list[type[Config]]:
    """The classes of the configs inside a config, at any depth, each once."""
    found: dict[type[Config], None] = {}
    for field in config.model_fields.values():
        for each in _classes_in(field.annotation):
            if issubclass(each, Config):
                found |= dict.fromkeys([each, *nested_configs(each)])
    return list(found)


def _classes_in(annotation: object) -> list[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation]
    return [each for argument in get_args(annotation) for each in _classes_in(argument)]


def keywords(function: Callable[..., object]) -> list[Keyword]:
    """The keyword-only parameters of a function, with the text of its docstring."""
    docs = split_doc(function).arguments
    return [
        Keyword(
            parameter.name,
            str(parameter.annotation),
            source(parameter.default),
            docs[parameter.name],
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]


@dataclass(frozen=True, slots=True)
class Doc:
    """The parts of a Google docstring."""

    before: str
    """The text above `Args:`."""
    arguments: dict[str, str]
    """Each argument with its text, as one line."""
    after: str
    """The text below the arguments."""


def split_doc(function: Callable[..., object]) -> Doc:
    """The docstring of a function, which documents its arguments under `Args:`."""
    before, _, rest = (inspect.getdoc(function) or "").partition("\n\nArgs:\n")
    block, _, after = rest.partition("\n\n")
    arguments: dict[str, str] = {}
    name = ""
    for line in block.splitlines():
        if match := _ARGUMENT.fullmatch(line):
            name, arguments[match[1]] = match[1], match[2]
        else:
            arguments[name] += f" {line.strip()}"
    return Doc(before, arguments, after)


_ARGUMENT = re.compile(r"    \*{0,2}(\w+): (.*)")


def source(value: object) -> str:
    """The source text of a plain value, `...` for any other."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        items = [source(item) for item in value]
        comma = "," if len(items) == 1 else ""
        return "..." if "..." in items else f"({', '.join(items)}{comma})"
    return repr(value) if value is None or isinstance(value, (bool, int, float)) else "..."


def type_source(annotation: object, names: Names = MappingProxyType({})) -> str:
    """The source text of a type without the bounds that only Pydantic reads.

    A class stands with its module before it, `typedvision.config.image.ImageSpec`, or as `names`
    has it.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    inner = [type_source(argument, names) for argument in arguments if origin is not Literal]
    if origin is Annotated:
        return inner[0]
    if origin is Literal:
        spelled = f"Literal[{', '.join(source(value) for value in arguments)}]"
        return VOCABULARIES.get(annotation, spelled)
    if origin in (Union, UnionType):
        return " | ".join(inner)
    if origin is not None:
        return f"{type_source(origin, names)}[{', '.join(inner)}]"
    if annotation is NoneType:
        return "None"
    if annotation is Ellipsis:
        return "..."
    if not isinstance(annotation, type):
        return "object"
    if annotation.__module__ == "builtins":
        return annotation.__qualname__
    return names.get(annotation, f"{annotation.__module__}.{annotation.__qualname__}")


def _option(name: str, field: FieldInfo, rows: list[ModelConfig], names: Names) -> Keyword:
    values = [getattr(row, name) for row in rows]
    shared = bool(values) and all(value == values[0] for value in values)
    default = source(values[0]) if shared else "..."
    facts = _facts(field.annotation, field.metadata)
    if not shared:
        facts.append("default: by variant")
    elif default == "...":  # a config, or what has one
        facts.append(f"default: {_shown(values[0])}")
    texts = [" ".join((field.description or "").split())]
    if told := "; ".join(facts):
        texts.append(f"{told[0].upper()}{told[1:]}.")
    return Keyword(name, type_source(field.annotation, names), default, " ".join(texts))


def _shown(value: object) -> str:
    if isinstance(value, Config):
        changed = {k: v for k, v in value if v != type(value).model_fields[k].default}
        return (
            f"{type(value).__name__}({', '.join(f'{k}={_shown(v)}' for k, v in changed.items())})"
        )
    return repr(value)


def _bounds(marks: Iterable[object]) -> list[str]:
    """The bounds among the marks of a type: `1 to 1024`."""
    bounds = {
        key: value
        for mark in marks
        for key in _BOUNDS
        if (value := getattr(mark, key, None)) is not None
    }
    closed = [
        f"{words}{bounds.pop(least)} to {bounds.pop(most)}"
        for words, least, most in (("of length ", "min_length", "max_length"), ("", "ge", "le"))
        if {least, most} <= bounds.keys()
    ]
    return [*closed, *(_BOUNDS[key].format(value) for key, value in bounds.items())]


def _facts(annotation: object, metadata: Iterable[object] = ()) -> list[str]:
    """The bounds and choices of a type, each once: `1 to 1024`, `one of 'a', 'b'`."""
    marks = [
        inner
        for mark in metadata
        for inner in (mark.metadata if isinstance(mark, FieldInfo) else [mark])
    ]
    found = _bounds(marks)
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        if annotation in VOCABULARIES or len(arguments) > SHOWN:
            found.append(f"one of {', '.join(map(repr, arguments))}")
    elif get_origin(annotation) is Annotated:
        found += _facts(arguments[0], arguments[1:])
    else:
        for argument in arguments:
            found += _facts(argument)
    return [", ".join(dict.fromkeys(found))] if found else []
