"""Every exception of the library, its stable code and its problems; standard library only.

An error is data: `error.code` names its kind, `error.problems` lists each thing that is wrong, and
`error.to_json()` gives all of it to a program. `docs/errors.md` has a section for each code.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

ProblemKind = Literal[
    "unknown", "missing", "type", "range", "choice", "length", "conflict", "syntax", "value"
]
"""What can be wrong with one value; see `docs/errors.md` for each."""

_SHOWN = 60  # characters of a value in a sentence, and of a path in a column
_TOLD = 10  # problems in the text of an error
_PLAIN_KEY = re.compile(rf"[A-Za-z_$][\w$-]{{0,{_SHOWN}}}", re.ASCII)
_LISTED = 32  # names in a sentence
_KEPT_VALUE = 200  # characters of a value in JSON


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it is, and what would be right."""

    path: tuple[str | int, ...]
    """Where: keys and positions from the root of what was given; empty for the whole."""
    kind: ProblemKind
    """What sort of mistake it is."""
    message: str
    """What is wrong and what instead, in one sentence."""
    value: object = None
    """The value that was given, if there was one."""
    allowed: tuple[object, ...] = ()
    """Every value that would be right, where these can be listed."""
    suggestions: tuple[str, ...] = ()
    """Near names, the nearest first."""

    def where(self) -> str:
        """The path as it is written in code: `block_args.attn_layer`, `layers[2]`."""
        text = ""
        for part in self.path:
            if isinstance(part, str) and _PLAIN_KEY.fullmatch(part):
                text += f".{part}" if text else part
            else:
                text += f"[{shown(part)}]"
        return text or "(whole)"

    def to_dict(self) -> dict[str, object]:
        """The problem as JSON-ready data."""
        return {
            "path": list(self.path),
            "kind": self.kind,
            "message": self.message,
            "value": _jsonable(self.value),
            "allowed": [_jsonable(item) for item in self.allowed],
            "suggestions": list(self.suggestions),
        }


class TypedVisionError(Exception):
    """The root of the library's exceptions.

    Args:
        summary: one line that says what failed.
        problems: each thing that is wrong; may be empty where the summary says it all.
    """

    code: ClassVar[str] = "error"

    def __init__(self, summary: str, problems: Iterable[Problem] = ()) -> None:
        self.summary = summary
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(summary, self.problems)

    def __str__(self) -> str:
        shown = self.problems[:_TOLD]
        rows = [(problem.where(), problem.kind, problem.message) for problem in shown]
        path_width = min(max((len(path) for path, _, _ in rows), default=0), _SHOWN)
        kind_width = max((len(kind) for _, kind, _ in rows), default=0)
        lines = [f"[{self.code}] {self.summary}"]
        lines += [
            f"  {path:{path_width}}  {kind:{kind_width}}  {text}" for path, kind, text in rows
        ]
        if len(self.problems) > _TOLD:
            lines += [f"  and {len(self.problems) - _TOLD:,} more: `problems` has all of them"]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, object]:
        """The whole error as JSON-ready data."""
        return {
            "error": type(self).__name__,
            "code": self.code,
            "summary": self.summary,
            "problems": [problem.to_dict() for problem in self.problems],
        }

    def to_json(self, indent: int | None = None) -> str:
        """The whole error as a JSON document."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


class ConfigError(TypedVisionError, ValueError):
    """Options that do not make a valid config."""

    code: ClassVar[str] = "config"


class SpecError(ConfigError):
    """A document that is not a valid model spec; its paths start at the root of the document."""

    code: ClassVar[str] = "spec"


class UnknownNameError(TypedVisionError, LookupError):
    """A model, tag or family that nobody publishes."""

    code: ClassVar[str] = "unknown-name"

    @classmethod
    def of(cls, what: str, name: str, names: Iterable[str], *, owner: str = "") -> Self:
        """The error that there is no `what` of this name, with the near ones or, of few, all.

        Args:
            what: what was looked for: `model`.
            name: the name that was given.
            names: every name that there is.
            owner: whose names these are.
        """
        known = tuple(names)
        near = did_you_mean(name, known)
        hint = f"; did you mean {listed(near)}?" if near else ""
        if not near and 0 < len(known) <= _LISTED:
            hint = f"; choose {listed(known)}"
        summary = f"no {what} {shown(name)}{f' of {shown(owner)}' if owner else ''}{hint}"
        allowed = known if len(known) <= _LISTED else ()
        return cls(summary, [Problem((), "unknown", summary, name, allowed, near)])

    def __str__(self) -> str:
        return f"[{self.code}] {self.summary}"  # the one problem is the summary


class LimitError(TypedVisionError, ValueError):
    """A model larger than the caller's limits allow."""

    code: ClassVar[str] = "limit"


class WeightsError(TypedVisionError, ValueError):
    """Weights that cannot be found, read or fitted to a model."""

    code: ClassVar[str] = "weights"


class ImageError(TypedVisionError, ValueError):
    """An image that cannot be read, or is not of the kind that the model takes."""

    code: ClassVar[str] = "image"


class ExportError(TypedVisionError, RuntimeError):
    """A model that cannot be written as a program, or a program that is not the model."""

    code: ClassVar[str] = "export"


class OptimizeError(TypedVisionError, RuntimeError):
    """An engine that cannot run a model, or that computes something else than the model."""

    code: ClassVar[str] = "optimize"


class UsageError(TypedVisionError, TypeError):
    """A call that cannot mean anything, with the call that does."""

    code: ClassVar[str] = "usage"


class DeclarationError(TypedVisionError, TypeError):
    """A family whose declaration breaks a rule; for authors of families."""

    code: ClassVar[str] = "declaration"


def problem_count(count: int) -> str:
    """`1 problem`, `3 problems`."""
    return f"{count} problem{'' if count == 1 else 's'}"


def did_you_mean(word: str, names: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """The names that someone who wrote `word` may have meant, the nearest first.

    Case, separators and characters that look alike (O and 0, l and 1) do not count.
    """
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(_spelling(name), []).append(name)
    wanted = _spelling(word)
    near = difflib.get_close_matches(wanted, spellings, n=count, cutoff=0.75)
    return tuple(name for spelling in near for name in spellings[spelling])[:count]


def listed(values: Sequence[object]) -> str:
    """Values for a sentence: `'a', 'b' or 'c'`."""
    marked = [repr(value) for value in values]
    return " or ".join(filter(None, [", ".join(marked[:-1]), marked[-1]])) if marked else ""


def shown(value: object) -> str:
    """A value for a sentence: on one line, and cut where it is long."""
    try:
        text = " ".join(map(str.strip, repr(value).splitlines()))
    except Exception:  # more digits than Python prints, or a broken __repr__
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def deprecated(message: str) -> None:
    """Warn that a caller of the library uses what has gone, and point at the caller's line."""
    package, frame, level = __name__.partition(".")[0], sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, DeprecationWarning, stacklevel=level)


_LOOK_ALIKE = str.maketrans({"o": "0", "l": "1", "i": "1", "-": None, "_": None, " ": None})


def _spelling(name: str) -> str:
    return name.casefold().translate(_LOOK_ALIKE)


def _jsonable(value: object) -> object:
    """The value itself where JSON can hold it, otherwise a short text of it."""
    if isinstance(value, str):
        return value[:_KEPT_VALUE]
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        text = ""
    if 0 < len(text) <= _KEPT_VALUE:
        decoded: object = json.loads(text)
        return decoded
    return f"{type(value).__name__}: {shown(value)}"
