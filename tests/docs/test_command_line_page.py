"""`docs/command-line.md` has a section for each verb, and for no other."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT
from typedvision.cli import VERBS


def test_every_verb_has_its_section() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    assert set(re.findall(r"^## (.+)$", page, re.MULTILINE)) == set(VERBS)
