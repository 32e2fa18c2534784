"""The plug-in of pytest, run as a user runs it on a package of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from typedvision.testing import plugin

ROOT = Path(__file__).parents[2]
FAMILY = "acme_vision.pebble.family:PebbleFamily"
PLUGIN = ("-p", "typedvision.testing.plugin")


def pytest_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{ROOT / 'src'}{os.pathsep}{ROOT / 'docs' / 'plugin' / 'src'}"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", ".", *arguments],
        cwd=folder,
        # Other plug-ins of pytest take as long to load as the checks.
        env={**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_check_is_a_test(tmp_path: Path) -> None:
    done = pytest_run(tmp_path, "-v", *PLUGIN, "--family", FAMILY, "-k", "spec or schema")
    assert done.returncode == 0, done.stdout + done.stderr
    for check in ("spec", "schema"):
        assert f"::{check} PASSED" in done.stdout
    assert "2 passed, 12 deselected" in done.stdout


def test_a_broken_family_fails_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        "from acme_vision.pebble.family import PebbleFamily\n"
        "import typedvision as tv\n"
        "wrong = tv.Parts(first_conv=('stem',), classifier=('hed',))\n"
        "PebbleFamily.parts = classmethod(lambda cls, cfg: wrong)\n"
    )
    done = pytest_run(tmp_path, *PLUGIN, "--family", "other:PebbleFamily", "-k", "parts")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the model has no module 'hed'; did you mean 'head'?" in done.stdout
    assert "Traceback" not in done.stdout


def test_who_does_not_ask_for_it_gets_neither_it_nor_torch(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n\ndef test_it():\n    assert 'torch' not in sys.modules\n"
    )
    assert pytest_run(tmp_path, "test_it.py").returncode == 0
    assert pytest_run(tmp_path, *PLUGIN, "test_it.py").returncode == 0
    assert pytest_run(tmp_path, "--family", FAMILY).returncode == 4


def test_what_is_no_family_is_told(tmp_path: Path) -> None:
    for name in ("nowhere", "nowhere.family:Family", "typedvision:Config", "typedvision:Nothing"):
        with pytest.raises(pytest.UsageError, match=f"--family {name}: "):
            plugin._family(name)
    done = pytest_run(tmp_path, *PLUGIN, "--family", "nowhere")
    assert done.returncode == 4, done.stdout
    assert "--family nowhere: " in done.stderr + done.stdout
