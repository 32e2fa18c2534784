"""The mypy plugin: what mypy prints with it, word for word."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.user_environment import CACHE

WITH_PLUGIN = Path(__file__).parent / "with_plugin"
CODE = "[typedvision]"
CONFIG = """[mypy]
strict = true
plugins = typedvision.mypy_plugin
[mypy-torch.*]
follow_imports = skip
"""

pytestmark = pytest.mark.xdist_group("typing")  # the environment of a user is made once


def expected(file: Path) -> dict[int, list[str]]:
    """The messages that the comments above each line say, `message  [code]`."""
    found: dict[int, list[str]] = {}
    above: list[str] = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.lstrip().startswith("# ") and line.endswith("]"):
            above.append(line.lstrip("# "))
        elif above:
            found[number], above = above, []
    return found


Lines = dict[str, dict[int, list[str]]]
"""What is said of each line, by file."""


def mypy(python: Path, project: Path) -> Lines:
    """What mypy says of a folder."""
    cache = f"--cache-dir={CACHE.with_name('users-plugin')}"  # other plug-ins, another cache
    found: Lines = {}
    command = [python, "-m", "mypy", cache, "-Ojson", "."]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    for row in map(json.loads, done.stdout.splitlines()):
        if row["severity"] == "error":
            lines = found.setdefault(row["file"], {})
            lines.setdefault(row["line"], []).append(f"{row['message']}  [{row['code']}]")
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(WITH_PLUGIN, tmp_path, dirs_exist_ok=True)
    (tmp_path / "mypy.ini").write_text(CONFIG)
    return tmp_path


def test_mypy_says_what_the_library_would(user: Path, project: Path) -> None:
    file = project / "wrong.py"
    wrong = expected(file)
    assert len(wrong) > 50
    assert mypy(user, project) == {"wrong.py": wrong}
    with file.open("a") as text:
        text.write('create_model("resnet50", drop_rate=2)\n')
    added = {len(file.read_text().splitlines()): ["drop_rate: must be at most 1.0; got 2  " + CODE]}
    assert mypy(user, project) == {"wrong.py": wrong | added}  # by its cache, after an edit


def test_the_command_line_finds_what_the_plugin_reports(user: Path, project: Path) -> None:
    command = [user, "-m", "typedvision", "lint", "--json", "--no-notes", "."]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    found: dict[int, list[str]] = {}
    for row in json.loads(done.stdout)["findings"]:
        if row["file"] == "./wrong.py":
            found.setdefault(row["line"], []).append(f"{row['message']}  {CODE}")
    wrong = expected(project / "wrong.py").items()
    reported = {line: [text for text in texts if text.endswith(CODE)] for line, texts in wrong}
    assert found == {line: texts for line, texts in reported.items() if texts}
    assert done.returncode == 1
