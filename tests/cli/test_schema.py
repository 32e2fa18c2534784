from __future__ import annotations

import json
from pathlib import Path

import typedvision as tv
from tests.cli.running import run


def test_the_schema_is_printed() -> None:
    assert json.loads(run("schema").stdout) == tv.ModelSpec.json_schema()


def test_the_schema_is_written_and_never_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "spec.schema.json"
    assert run("schema", "-o", str(path)).exit_code == 0
    assert json.loads(path.read_text()) == tv.ModelSpec.json_schema()
    assert run("schema", "-o", str(path)).exit_code == 2
    assert run("schema", "-o", str(path), "--force").exit_code == 0
