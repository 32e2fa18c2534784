"""Finds the calls of the library, and of timm, in the source text of a Python file."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from typedvision.lint.call import UNKNOWN


class Place(NamedTuple):
    """Where something stands in a file; lines and columns count from 1, the end is past it."""

    line: int
    column: int
    end_line: int
    end_column: int

    @classmethod
    def of(cls, node: ast.expr | ast.alias) -> Place:
        """The place of a node."""
        end = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return cls(node.lineno, node.col_offset + 1, end[0], end[1] + 1)


@dataclass(frozen=True, slots=True)
class Written:
    """A call as it is written: what is called, and each argument."""

    called: str
    """Dotted name of what is called, as its module has it."""
    positional: tuple[object, ...]
    """The positional arguments before the first `*`, `UNKNOWN` where one is no literal."""
    keywords: Mapping[str, object]
    """Each keyword with its value."""
    whole: bool
    """Whether there is neither `*` nor `**`."""
    place: Place
    """Where the call stands."""
    places: Mapping[int | str, Place]
    """Where each argument stands, by its position or its keyword."""


class Use(NamedTuple):
    """A name of another module that a file imports or looks up."""

    name: str
    """The dotted name."""
    place: Place


@dataclass(frozen=True, slots=True)
class Source:
    """What a Python file says of the library and of timm."""

    calls: list[Written] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    """Names of timm that are imported, or looked up in an imported module."""


@dataclass(frozen=True, slots=True)
class Code:
    """A value that is no literal and yet known: a class or a function."""

    text: str

    def __repr__(self) -> str:
        return self.text


def read_source(text: str | bytes, file: str) -> Source:
    """The calls in a Python file.

    Raises:
        SyntaxError: it is no Python.
        ValueError: it holds null bytes.
    """
    return _Reader(ast.parse(text, file)).read()


class _Reader:
    """Reads one file: its imports first, then its calls."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._nodes = list(ast.walk(tree))
        self._imports: dict[str, str] = {}
        self._constants: dict[str, object] = {}
        self._source = Source()

    def read(self) -> Source:
        for node in self._nodes:
            if isinstance(node, ast.Import):
                for name in node.names:
                    head = name.name.partition(".")[0]
                    self._imports[name.asname or head] = name.name if name.asname else head
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for name in node.names:
                    self._imports[name.asname or name.name] = f"{node.module}.{name.name}"
                    self._note(f"{node.module}.{name.name}", Place.of(name))
        for redefined in self._redefined():
            self._imports.pop(redefined, None)
        self._read_constants()
        inner = set()
        for node in self._nodes:  # from the outermost on
            if isinstance(node, ast.Call) and (dotted := self._dotted(node.func)):
                self._read_call(node, dotted)
            if isinstance(node, ast.Attribute):
                inner.add(id(node.value))
                if id(node) not in inner:
                    self._note(self._dotted(node), Place.of(node))
        return self._source

    def _note(self, dotted: str, place: Place) -> None:
        if dotted.startswith("timm."):
            self._source.uses.append(Use(dotted, place))

    def _redefined(self) -> Iterator[str]:
        """Names that mean something else than an import, somewhere in the file."""
        for node in self._nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.arg):
                yield node.arg
            elif isinstance(node, ast.Assign) and not _is_none(node.value):
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))

    def _read_constants(self) -> None:
        """Names that one assignment of the module gives a literal to, and nothing else."""
        bound = Counter(
            node.id
            for node in self._nodes
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        )
        arguments = {node.arg for node in self._nodes if isinstance(node, ast.arg)}
        for node in self._tree.body:
            match node:
                case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), _, value):
                    known = self._value(value) if value else UNKNOWN
                    if bound[name] == 1 and name not in arguments and known is not UNKNOWN:
                        self._constants[name] = known

    def _dotted(self, node: ast.expr) -> str:
        """The dotted name behind an expression, through the imports; empty for any other."""
        if isinstance(node, ast.Attribute):
            inner = self._dotted(node.value)
            return f"{inner}.{node.attr}" if inner else ""
        return self._imports.get(node.id, "") if isinstance(node, ast.Name) else ""

    def _read_call(self, node: ast.Call, dotted: str) -> None:
        positional, keywords, whole = [], {}, True
        places: dict[int | str, Place] = {}
        for position, value in enumerate(node.args):
            if isinstance(value, ast.Starred):
                whole = False
                break
            positional.append(self._value(value))
            places[position] = Place.of(value)
        for keyword in node.keywords:
            if keyword.arg is None:
                whole = False
            else:
                keywords[keyword.arg] = self._value(keyword.value)
                places[keyword.arg] = Place.of(keyword.value)
        place = Place.of(node)
        self._source.calls.append(
            Written(dotted, tuple(positional), keywords, whole, place, places)
        )

    def _value(self, node: ast.expr) -> object:
        """The value of an expression that is a literal, or a name for one; else `UNKNOWN`."""
        match node:
            case ast.Constant():
                return node.value
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)):
                return -number
            case ast.Tuple() | ast.List():
                items = [self._value(item) for item in node.elts]
                if UNKNOWN in items:
                    return UNKNOWN
                return items if isinstance(node, ast.List) else tuple(items)
            case ast.Dict():
                pairs = [
                    (self._value(key) if key else UNKNOWN, self._value(value))
                    for key, value in zip(node.keys, node.values, strict=True)
                ]
                known = all(isinstance(key, str) and value is not UNKNOWN for key, value in pairs)
                return dict(pairs) if known else UNKNOWN
            case ast.Lambda():
                return Code("a lambda")
            case ast.Name() if node.id in self._constants:
                return self._constants[node.id]
            case ast.Attribute():
                dotted = self._dotted(node)
                return Code(ast.unparse(node)) if dotted.startswith("torch.nn.") else UNKNOWN
        return UNKNOWN


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
