from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import run

WRONG = 'import typedvision as tv\ntv.create_model("resnet50", drop_rate=3.0)\n'
OLD = 'import typedvision as tv\ntv.create_model("tv_resnet50")\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.py").write_text(WRONG)
    Path("old.py").write_text(OLD)


def test_what_is_wrong_has_a_line_and_the_exit_code_is_1() -> None:
    result = run("lint", "wrong.py")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "wrong.py:2:39: error: drop_rate: must be at most 1.0; got 3.0 [range]",
        "1 file, 1 call, 1 with a literal name, 0 specs, 1 error, 0 notes",
    ]


def test_a_note_is_no_error() -> None:
    result = run("lint", "old.py")
    assert result.exit_code == 0
    assert "note: the model 'tv_resnet50' is now called" in result.stdout
    assert "renamed" not in run("lint", "old.py", "--no-notes").stdout


def test_json_and_sarif() -> None:
    result = run("lint", ".", "--json", "--sarif", "log.sarif")
    document = json.loads(result.stdout)
    assert [one["kind"] for one in document["findings"]] == ["renamed", "range"]
    assert document["errors"] == 1
    assert len(json.loads(Path("log.sarif").read_text())["runs"][0]["results"]) == 2
    again = run("lint", ".", "--sarif", "log.sarif")
    assert again.exit_code == 2
    assert "--force replaces it" in again.stderr


def test_a_file_that_is_not_there_is_a_usage_error() -> None:
    result = run("lint", "nothing.py")
    assert result.exit_code == 2
    assert "'nothing.py' cannot be read" in result.stderr
