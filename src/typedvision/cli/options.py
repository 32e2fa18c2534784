"""Describe the options of a config in words, from its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typedvision.config.base import ModelConfig

_Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a config class."""

    name: str
    """Name of the option."""
    takes: str
    """Type and bounds of its values: `integer in [1, 64] | null`."""
    required: bool
    """Whether the option has no default."""
    default: object
    """The default as JSON data; None where the option is required."""
    doc: str
    """Meaning of the option."""


@dataclass(frozen=True, slots=True)
class Group:
    """The options of one config class."""

    name: str
    """Name of the class, as `Option.takes` uses it."""
    doc: str
    """First paragraph of the docstring of the class."""
    options: tuple[Option, ...]
    """The options, in the order of the class."""


def option_groups(config: type[ModelConfig]) -> tuple[Group, ...]:
    """List the options of a config class, and those of every config that it nests."""
    schema = config.model_json_schema()
    nested = schema.get("$defs", {})
    return tuple(_group(part, nested) for part in (schema, *nested.values()))


def _group(schema: _Schema, nested: _Schema) -> Group:
    options = [
        Option(
            name=name,
            takes=_takes(field),
            required="default" not in field,
            default=field.get("default"),
            # Pydantic leaves out what would repeat the nested class's own words.
            doc=_one_line({**nested.get(_takes(field), {}), **field}["description"]),
        )
        for name, field in schema["properties"].items()
    ]
    return Group(schema["title"], _one_line(schema["description"]), tuple(options))


def _takes(schema: _Schema) -> str:
    """Describe the values that a schema takes, in a few words."""
    match schema:
        case {"$ref": reference}:
            return str(reference).rpartition("/")[2]
        case {"const": value}:
            return json.dumps(value)
        case {"enum": values}:
            return " | ".join(json.dumps(value) for value in values)
        case {"anyOf": branches}:
            return " | ".join(_takes(branch) for branch in branches)
        case {"prefixItems": [first, *others]} if all(other == first for other in others):
            return f"{1 + len(others)} x {_in_brackets(_takes(first))}"
        case {"prefixItems": items}:
            return f"[{', '.join(_takes(item) for item in items)}]"
        case {"items": item}:
            return f"list of {_in_brackets(_takes(item))}"
        case {"type": ("integer" | "number") as kind}:
            return f"{kind}{_bounds(schema)}"
        case {"type": kind}:
            return str(kind)
    return "anything"


def _bounds(schema: _Schema) -> str:
    """Write the bounds of a schema, ` in (0, 1]`; empty where there are none."""
    lower = f"[{schema['minimum']:.12g}" if "minimum" in schema else "(-inf"
    upper = f"{schema['maximum']:.12g}]" if "maximum" in schema else "inf)"
    if "exclusiveMinimum" in schema:
        lower = f"({schema['exclusiveMinimum']:.12g}"
    if "exclusiveMaximum" in schema:
        upper = f"{schema['exclusiveMaximum']:.12g})"
    return "" if (lower, upper) == ("(-inf", "inf)") else f" in {lower}, {upper}"


def _in_brackets(text: str) -> str:
    return f"({text})" if " | " in text else text


def _one_line(text: str) -> str:
    return " ".join(text.split())
