"""A config that is a JSON document: it is read strictly, and written in one canonical form."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from typedvision.config.base import Config, Whole
from typedvision.config.strict_json import parse_json
from typedvision.errors import Problem, SpecError, problem_count, shown

SCHEMA_VERSION: Final = 1
_SCHEMA_KEY = "$schema"


class Document(Config):
    """What a spec is, whatever it describes. Specs are equal when they say the same, however they
    were written."""

    schema_version: Annotated[Literal[1], Whole] = SCHEMA_VERSION
    """Version of this document's schema."""

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a spec from a JSON document.

        Raises:
            SpecError: naming every problem, with its path in the document.
        """
        return cls.from_dict(parse_json(text))

    @classmethod
    @abstractmethod
    def from_dict(cls, document: object) -> Self:
        """Read a spec from a decoded JSON document.

        Raises:
            SpecError: naming every problem, with its path in the document.
        """

    def to_dict(self) -> dict[str, object]:
        """The document as plain data, with every default written out."""
        return self.model_dump(mode="json")

    def to_json(self, *, indent: int | None = 2, schema: str | None = None) -> str:
        """The document as JSON.

        Args:
            indent: spaces for each level; None for one line.
            schema: where editors find the JSON Schema; written as `$schema`.
        """
        head = {} if schema is None else {_SCHEMA_KEY: schema}
        return json.dumps({**head, **self.to_dict()}, indent=indent, allow_nan=False)

    def canonical(self) -> str:
        """The one way of writing this spec: sorted keys, no spaces."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(self.canonical())


def open_document(document: object) -> tuple[dict[str, object], list[Problem]]:
    """The fields of a decoded document, and what is wrong with the keys that say how to read them.

    Raises:
        SpecError: it is no object, or has a newer schema version; nothing else is looked at, since
            its rules are not ours.
    """
    if not isinstance(document, Mapping):
        raise spec_error([Problem((), "type", "must be an object", document)])
    problems = []
    path, version = ("schema_version",), document.get("schema_version")
    if path[0] not in document:
        problems.append(Problem(path, "missing", f"is required; write {SCHEMA_VERSION}"))
    elif isinstance(version, int) and version > SCHEMA_VERSION:
        message = f"must be at most {SCHEMA_VERSION}; {version} needs a newer typedvision"
        raise spec_error([Problem(path, "range", message, version)])
    schema = document.get(_SCHEMA_KEY, "")
    if not isinstance(schema, str):
        message = f"must be a string; got {shown(schema)}"
        problems.append(Problem((_SCHEMA_KEY,), "type", message, schema))
    return {key: value for key, value in document.items() if key != _SCHEMA_KEY}, problems


def spec_error(problems: list[Problem]) -> SpecError:
    """The error that a document is not a valid spec."""
    return SpecError(f"{problem_count(len(problems))} in the spec", problems)
