"""The file of class names is written from facts."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from tools import class_names


def test_names_once_and_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_names, "CLASS_SETS", {"small": 3})
    (tmp_path / "synset_names.tsv").write_text("n2\ttabby, tabby cat\nn1\ttench\nn3\tcrane\n")
    (tmp_path / "small.txt").write_text("n2\nn1\nn3\n")
    document = json.loads(lzma.decompress(class_names.packed(tmp_path)))
    assert document == {
        "names": ["tench", "tabby, tabby cat", "crane"],
        "sets": {"small": [1, -1, 2]},
    }
