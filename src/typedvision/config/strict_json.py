"""JSON read strictly: no key twice, no NaN, no document too large or too deep."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from itertools import chain
from typing import NoReturn

from typedvision.errors import Problem, ProblemKind, SpecError, UsageError, shown

MAX_BYTES = 1_048_576
"""Largest document that is read where nothing else is said."""
MAX_NESTING = 32
"""Most objects and lists inside of each other."""


def parse_json(text: str | bytes, *, max_bytes: int = MAX_BYTES) -> object:
    """Decode a JSON document.

    Args:
        text: the document.
        max_bytes: refuse a larger one.

    Raises:
        SpecError: not JSON, too large or too deep, a key twice in one object, NaN or an infinity.
        UsageError: it is no text.
    """
    if not isinstance(text, str | bytes):
        raise UsageError(f"a JSON document is a str or bytes; got {shown(text)}")
    raw = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    if len(raw) > max_bytes:
        _refuse("length", f"must be at most {max_bytes} bytes; got {len(raw)}")
    try:
        document: object = json.loads(
            raw, object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite
        )
    except SpecError:
        raise
    except RecursionError:
        document = None
        _refuse("length", _TOO_DEEP)
    except ValueError as error:  # a syntax error, or bytes that are no Unicode text
        _refuse("syntax", f"is not JSON: {error}")
    if not nests_within(document, MAX_NESTING):
        _refuse("length", _TOO_DEEP)
    return document


def nests_within(value: object, levels: int) -> bool:
    """Whether a value has at most `levels` objects and lists inside of each other."""
    inside: Iterable[object] = [value]
    for _ in range(levels + 1):
        # By identity: what stands in a thousand places, or in itself, is looked into once.
        holders = {id(each): each for each in inside if isinstance(each, _HOLDERS)}
        if not holders:
            return True
        inside = chain.from_iterable(
            each.values() if isinstance(each, dict) else each for each in holders.values()
        )
    return False


_HOLDERS = (dict, list, tuple)


_TOO_DEEP = f"must nest at most {MAX_NESTING} levels"


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document: dict[str, object] = {}
    for key, value in pairs:
        if key in document:
            _refuse("syntax", f"has the key {shown(key)} twice in one object")
        document[key] = value
    return document


def _constant(name: str) -> NoReturn:
    _refuse("range", f"has {name}, which is not JSON: numbers are finite")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse("range", f"has {text[:20]}, which no number can hold")
    return number


def _refuse(kind: ProblemKind, message: str) -> NoReturn:
    problem = Problem((), kind, message)
    raise SpecError("the document cannot be read", [problem])
