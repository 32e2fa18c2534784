"""`docs/errors.md` has a section for each code and each kind, with an example of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

import pytest

from tests.docs.pages import ROOT
from typedvision.errors import ProblemKind, TypedVisionError

PAGE = (ROOT / "docs" / "errors.md").read_text("utf-8")


def codes(error: type[TypedVisionError] = TypedVisionError) -> Iterator[str]:
    """The code of each exception below the root."""
    for child in error.__subclasses__():
        yield child.code
        yield from codes(child)


def section(heading: str) -> str:
    """The text below a heading, as far as the next one."""
    found = re.search(rf"^{heading}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/errors.md has no '{heading}'"
    return found[1]


@pytest.mark.parametrize("code", sorted(codes()))
def test_a_code_has_its_section_with_an_example(code: str) -> None:
    assert f"Error: [{code}] " in section(f"## {code}")


@pytest.mark.parametrize("kind", get_args(ProblemKind))
def test_a_kind_has_its_section_with_an_example(kind: str) -> None:
    assert re.search(rf"^  \S+ +{kind}  ", section(f"### {kind}"), re.MULTILINE)


def test_codes_are_told_apart() -> None:
    assert len(set(codes())) == len(list(codes()))


def test_no_section_is_about_a_code_that_is_gone() -> None:
    headings = set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE))
    assert headings - {"Kinds of problems"} == set(codes())
