"""The site is built offline, and a broken link is an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import typedvision as tv
from tests.docs.pages import ROOT


@pytest.mark.slow
def test_the_site_is_whole(tmp_path: Path) -> None:
    build = (sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", tmp_path)
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    models = (tmp_path / "models.html").read_text("utf-8")
    assert all(f"<code>{name}</code>" in models for name in tv.list_models())
    reference = (tmp_path / "reference.html").read_text("utf-8")
    assert "Classify images: one prediction after the other" in reference
    index = (tmp_path / "index.html").read_text("utf-8")
    assert "completion.svg" in index
    fetched = [part for part in ("fonts.googleapis", "unpkg", "jsdelivr") if part in index]
    assert fetched == []
    unread = [page.name for page in tmp_path.rglob("*.html") if "```" in page.read_text("utf-8")]
    assert unread == [], "a fence that the site's Markdown does not know"
