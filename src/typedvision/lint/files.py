"""What is wrong in files: the literal calls of Python files, and the specs of JSON files."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from typedvision.config.strict_json import MAX_BYTES
from typedvision.errors import Problem, SpecError
from typedvision.lint.call import FACTORY, UNKNOWN, VARIANT, Call, Function
from typedvision.lint.source import Place, Source, Written, read_source
from typedvision.lint.timm_calls import CREATES, counterpart, translated
from typedvision.lint.validation import config_class, problems, renamed, sentence
from typedvision.registry import index
from typedvision.registry.backbone import parse_spec

Level = Literal["error", "note"]
"""An error would be refused; a note says what is written in another way here."""

_START = Place(1, 1, 1, 1)
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in a file that the library would refuse, or that is different here."""

    file: str
    place: Place
    level: Level
    kind: str
    """The kind of the problem, `timm` where timm's way is another, `renamed` for an old name."""
    message: str
    path: tuple[str | int, ...] = ()
    """The keyword, and the place in its value; in a spec the path in the document."""
    suggestions: tuple[str, ...] = ()

    def line(self) -> str:
        """The finding as compilers print it: `train.py:3:12: error: ... [range]`."""
        where = f"{self.file}:{self.place.line}:{self.place.column}"
        return f"{where}: {self.level}: {self.message} [{self.kind}]"

    def to_dict(self) -> dict[str, object]:
        """The finding as JSON-ready data."""
        return {
            "file": self.file,
            **self.place._asdict(),
            "level": self.level,
            "kind": self.kind,
            "message": self.message,
            "path": list(self.path),
            "suggestions": list(self.suggestions),
        }


@dataclass(slots=True)
class Report:
    """What was looked at, and what was found."""

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    calls: int = 0
    """Calls of the library, and of timm's `create_model`."""
    named: int = 0
    """Those of them that name their model."""
    specs: int = 0

    def errors(self) -> int:
        """How many of the findings are errors."""
        return sum(finding.level == "error" for finding in self.findings)


def lint(paths: Sequence[str]) -> Report:
    """Look at files, and at the Python files and specs inside of folders; nothing is run.

    Raises:
        OSError: a file cannot be read.
    """
    report = Report()
    for path in paths:
        for file in _files_in(path) if os.path.isdir(path) else [path]:
            _lint_file(file, report)
    return report


def _files_in(folder: str) -> Iterator[str]:
    """The Python and JSON files of a folder, without hidden folders and installed packages."""
    for path, folders, files in os.walk(folder):
        hidden = "pyvenv.cfg" in files and path != folder
        keep = [one for one in sorted(folders) if one[0] != "." and one not in _SKIPPED]
        folders[:] = [] if hidden else keep
        for name in [] if hidden else sorted(files):
            if name.endswith((".py", ".json")):
                yield os.path.join(path, name)


def _lint_file(file: str, report: Report) -> None:
    report.files += 1
    text = Path(file).read_bytes()
    if not file.endswith(".json"):
        if index.has_plugins() or b"timm" in text or b"typedvision" in text:
            report.findings += _of_python(file, text, report)
    elif len(text) <= MAX_BYTES and b'"schema_version"' in text and b'"family"' in text:
        report.specs += 1
        report.findings += _of_spec(file, text)


def _of_python(file: str, text: bytes, report: Report) -> Iterator[Finding]:
    try:
        source = read_source(text, file)
    except SyntaxError as error:
        line, column = error.lineno or 1, error.offset or 1
        place = Place(line, column, line, column)
        yield Finding(file, place, "error", "syntax", f"is no Python: {error.msg}")
        return
    except ValueError as error:
        yield Finding(file, _START, "error", "syntax", f"is no Python: {error}")
        return
    found = [*_of_calls(file, source, report), *_of_uses(file, source)]
    yield from sorted(found, key=lambda one: one.place)


def _of_calls(file: str, source: Source, report: Report) -> Iterator[Finding]:
    for written in source.calls:
        meant = _meant(written)
        if meant is None:
            continue
        call, keys, refused = meant
        report.calls += 1
        report.named += call.model is not UNKNOWN
        for key, message in refused:
            kind = "timm" if written.called in CREATES else "type"
            yield Finding(file, written.places[key], "error", kind, message)
        present = renamed(call.model)
        if present:
            place = written.places.get(keys.get(None, -1), written.place)
            message = f"the model {call.model!r} is now called {present!r}"
            level: Level = "error" if _variant(written.called) else "note"  # it has no such name
            yield Finding(file, place, level, "renamed", message, (), (present,))
        for problem in problems(call):
            keyword = str(problem.path[0]) if problem.path else None
            place = written.places.get(keys.get(keyword, -1), written.place)
            yield _finding(file, place, problem)


_Meant = tuple[Call, Mapping[str | None, int | str], Sequence[tuple[int | str, str]]]


def _meant(written: Written) -> _Meant | None:
    """The call of the library that is written, where its arguments stand, and what is refused."""
    timm = translated(written)
    if timm:
        return timm
    module, _, name = written.called.rpartition(".")
    keys: dict[str | None, int | str] = {key: key for key in written.keywords}
    given, by_position = dict(written.keywords), 0
    if module in _FACTORIES and name in FACTORY:
        function, word, by_position = FACTORY[name], "name" if name == "configure" else "model", 1
        keys[None] = 0 if written.positional else keys.pop(word, 0)
        model = written.positional[0] if written.positional else given.pop(word, UNKNOWN)
    elif found := _variant(written.called):
        function, model = found
    elif config_class(written.called):
        function, model = "config", written.called
    else:
        return None
    positions = range(by_position, len(written.positional))
    refused = [(position, "options are given by keyword") for position in positions]
    return Call(function, model, given, written.whole), keys, refused


_FACTORIES = ("typedvision", "typedvision.factory")


def _variant(called: str) -> tuple[Function, str] | None:
    """The function that `models.NAME`, or a method of it, calls, and the name."""
    package, models, rest = f"{called}.".partition(".models.")
    name, _, method = rest.strip(".").partition(".")
    function = VARIANT.get(method or "__call__")
    if not models or function is None or name[:1] in ("", "_"):
        return None
    if package != "typedvision" and index.family_key(name) in (None, *index.rows()):
        return None  # another package's models, which no plug-in publishes
    return function, name


def _of_uses(file: str, source: Source) -> Iterator[Finding]:
    """Names of timm that are something else here."""
    for use in source.uses:
        if use.name not in CREATES and not use.name.rpartition(".")[2].startswith("__"):
            yield Finding(file, use.place, "note", "timm", counterpart(use.name))


def _finding(file: str, place: Place, problem: Problem) -> Finding:
    return Finding(
        file, place, "error", problem.kind, sentence(problem), problem.path, problem.suggestions
    )


def _of_spec(file: str, text: bytes) -> Iterator[Finding]:
    try:
        parse_spec(text)
    except SpecError as error:
        tree = _tree(text)
        for problem in error.problems:
            yield _finding(file, _place_in(tree, problem.path), problem)


def _tree(text: bytes) -> ast.expr | None:
    """The syntax tree of a document: JSON reads as Python, whose parser knows places."""
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _place_in(tree: ast.expr | None, path: Sequence[str | int]) -> Place:
    """Where a value stands in a document, or the last part of its path that is there."""
    for part in path:
        inner = _item(tree, part)
        if inner is None:
            break
        tree = inner
    return Place.of(tree) if tree else _START


def _item(tree: ast.expr | None, part: str | int) -> ast.expr | None:
    if isinstance(tree, ast.List) and isinstance(part, int):
        return tree.elts[part] if part < len(tree.elts) else None
    if isinstance(tree, ast.Dict):
        pairs = zip(tree.keys, tree.values, strict=True)
        values = (v for k, v in pairs if isinstance(k, ast.Constant) and k.value == part)
        return next(values, None)
    return None
