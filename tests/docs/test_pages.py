"""Every page under `docs` tells the truth, and the runner that says so can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

import typedvision as tv
from tests.docs.pages import PAGES, ROOT, failures
from typedvision.registry import index

README = (ROOT / "README.md").read_text("utf-8")


EXPORTING = ("inference.md", "serving.md")
SHOWN = [
    pytest.param(page, marks=pytest.mark.slow if page.name in EXPORTING else ()) for page in PAGES
]


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_a_page_shows_what_its_examples_print(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = failures(page.read_text("utf-8"), page.name, tmp_path)
    assert not found, "\n".join(found)


def test_the_readme_counts_what_there_is() -> None:
    families = index.rows().values()
    names = sum(len(family["variants"]) for family in families)
    assert f"{names} of timm's names in [{len(families)} families]" in README


def test_the_readme_shows_the_error_that_is_raised() -> None:
    with pytest.raises(tv.ConfigError) as caught:
        tv.create_model("resnet50", qkv_bias=False, num_clases=10, drop_rate=3.0)
    assert f"ConfigError: {caught.value}\n" in README


def fenced(language: str, text: str) -> str:
    return f"A page.\n\n```{language}\n{text}\n```\n"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", ">>> 1 + 1\n2"),
        ("python", ">>> print('a\\n\\nb')\na\n<BLANKLINE>\nb"),
        (
            "python",
            ">>> {}[1]\nTraceback (most recent call last):\n  ...\nKeyError: 1",
        ),
        ("python", "x = 1\nassert x"),
        ("python static", "unknown.name  # an error for type checkers"),
        ("console", "$ echo one; echo two >&2\none\ntwo\n$ echo three\nthree"),
        ("console", "$ echo from here to there\nfrom ... there"),
        ("console", "$ true"),
        ("json", '{"a": 1}'),
        ("text", "anything"),
    ],
)
def test_a_true_page_passes(language: str, text: str, tmp_path: Path) -> None:
    assert failures(fenced(language, text), "page", tmp_path) == []


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", ">>> 1 + 1\n3"),
        ("python", ">>> 1 + 1"),
        ("python", ">>> print('a')\na\nb"),
        ("python", ">>> [][0]\nTraceback (most recent call last):\n  ...\nIndexError: no"),
        ("python", ">>> [][0]"),
        ("console", "$ echo one\ntwo"),
        ("console", "$ echo one"),
        ("console", "$ echo one\none\n$ echo two\nthree"),
        ("console", "$ no-such-command"),
    ],
)
def test_a_false_page_fails(language: str, text: str, tmp_path: Path) -> None:
    found = failures(fenced(language, text), "page", tmp_path)
    assert len(found) == 1
    assert "page:4" in found[0]


@pytest.mark.parametrize(
    ("language", "text", "error"),
    [
        ("python", "assert False", AssertionError),
        ("python static", "x = (", SyntaxError),
        ("json", "{", ValueError),
    ],
)
def test_a_broken_program_or_document_fails(
    language: str, text: str, error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        failures(fenced(language, text), "page", tmp_path)


def test_the_blocks_of_a_page_share_their_names(tmp_path: Path) -> None:
    page = (
        fenced("python", "x = 1")
        + fenced("python", ">>> x + 1\n2\n>>> y = 3")
        + fenced("python", "assert y == 3")
    )
    assert failures(page, "page", tmp_path) == []
