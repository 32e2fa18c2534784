"""The project has one word for one thing: no file uses a word that the glossary replaces."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

FOLDERS = (".", "src", "tests", "docs", "tools", "benchmarks", "examples")
GENERATED = ROOT / "docs" / "families"  # from what the sources say
SUFFIXES = {".py", ".pyi", ".md", ".toml", ".json", ".jsonl", ".svg"}

WORDS = {
    r"pictures?": "image, input",
    r"perceptrons?": "MLP",
    r"skeletons?": "meta-device model, on the meta device",
    r"begins?|began|begun|anew|inits": "initialise, initial weights, reinitialised",
    r"mend(s|ed|ing)?": "fix",
    r"learnt": "learned, learnable",
    r"guests?": "plug-in",
    r"turn(s|ed|ing)?|angles": "rope, rotary embedding",
    r"say what is on": "classify images",
}
"""What is not written, as regular expressions of whole words, with what is written instead."""

NAMES = {"placed": "resolve_device", "_counting": "natural_sort_key", "_Order": "LoadOptions"}
"""Names that are not written, with what is written instead."""

ALLOWED = (
    "<picture",  # of HTML
    '["begin"]',  # a key of a type checker's report
)
"""Phrases in which such a word stays."""

LEANING = re.compile(
    r"\A(the same(?! factor)|likewise|ditto)\b|\bas above\b|\blikewise\b", re.IGNORECASE
)
"""A docstring that cannot be read without its neighbour."""


def files(folder: str) -> Iterator[Path]:
    """The sources, tests or pages of a folder, without this file and generated pages."""
    top = ROOT / folder
    for path in sorted(top.glob("*") if top == ROOT else top.rglob("*")):
        own = path != Path(__file__) and GENERATED not in path.parents
        if own and "out" not in path.parts and (path.suffix in SUFFIXES or path.name == "Makefile"):
            yield path


def forbidden(text: str) -> Iterator[str]:
    """What a text says that the glossary replaces, a line each.

    A name is taken apart at its underscores and its capitals, so `read_picture` and `PictureInput`
    are found; `return` and `returned` are other words.
    """
    for phrase in ALLOWED:
        text = text.replace(phrase, "")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    for pattern, instead in WORDS.items():
        for found in re.finditer(rf"(?i:(?<![a-z])(?:{pattern})(?![a-z]))", words):
            yield f"{line_of(found)}: '{found[0]}': write {instead}"
    for name, instead in NAMES.items():
        for found in re.finditer(rf"\b{name}\b", text):
            yield f"{line_of(found)}: '{name}': write {instead}"


def line_of(found: re.Match[str]) -> int:
    """The line of a text where something was found, counted from one."""
    return found.string.count("\n", 0, found.start()) + 1


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The docstrings of a module, those of its attributes included, with their lines."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                text = child.value.value
                if isinstance(text, str):
                    yield child.lineno, text


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_use_the_words_of_the_glossary(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files(folder)
        for line in forbidden(path.read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


def test_docstrings_stand_alone() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in (ROOT / "src").rglob("*.py")
        for line, text in docstrings(ast.parse(path.read_text("utf-8")))
        if LEANING.search(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "a Picture",
        "def read_picture(): ...",
        "class PictureInput: ...",
        "NO_PICTURES = {}",
        "it begins anew",
        "def inits(self): ...",
        "class Inits: ...",
        "OwnsInits",
        "turned by angles",
        "from x import _Order",
        "say what is on images",
    ],
)
def test_a_replaced_word_is_found(text: str) -> None:
    assert list(forbidden(text))


@pytest.mark.parametrize(
    "text",
    ["<picture>", "return returned", "__init__", "recommend", "replaced", "amend", "rectangles"],
)
def test_another_word_is_not(text: str) -> None:
    assert not list(forbidden(text))
