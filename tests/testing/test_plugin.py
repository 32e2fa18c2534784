"""The plug-in of pytest, run as a user runs it on a package of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import Done, run_forked, together
from typedvision.testing import plugin
from typedvision.testing.checks import COMPUTED, DESCRIBED

ROOT = Path(__file__).parents[2]
PATHS = (str(ROOT / "src"), str(ROOT / "docs" / "plugin" / "src"))
OPTIONS = ("-p", "no:cacheprovider", "--rootdir", ".")
FAMILY = "acme_vision.pebble.family:PebbleFamily"
PLUGIN = ("-p", "typedvision.testing.plugin")

pytestmark = together


def pytest_run(folder: Path, *arguments: str) -> Done:
    """Run pytest with the plug-in, forked, because it needs PyTorch."""
    return run_forked(_pytest_here, folder, *PLUGIN, *arguments)


def _pytest_here(folder: Path, *arguments: str) -> None:
    os.chdir(folder)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they take as long to load as the checks
    sys.path[:0] = [str(folder), *PATHS]
    sys.exit(pytest.main([*OPTIONS, *arguments]))


def status_in_a_new_process(folder: Path, *arguments: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(PATHS),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        check=False,
    ).returncode


def test_each_check_is_a_test(tmp_path: Path) -> None:
    done = pytest_run(tmp_path, "-v", "--family", FAMILY, "-k", "spec or schema")
    assert done.status == 0, done.output
    for check in ("spec", "schema"):
        assert f"::{check} PASSED" in done.output
    assert f"2 passed, {len(DESCRIBED + COMPUTED) - 2} deselected" in done.output


def test_a_broken_family_fails_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        "from acme_vision.pebble.family import PebbleFamily\n"
        "import typedvision as tv\n"
        "wrong = tv.Parts(first_conv=('stem',), classifier=('hed',))\n"
        "PebbleFamily.parts = classmethod(lambda cls, cfg: wrong)\n"
    )
    done = pytest_run(tmp_path, "--family", "other:PebbleFamily", "-k", "parts")
    assert done.status == 1, done.output
    assert "the model has no module 'hed'; did you mean 'head'?" in done.output
    assert "Traceback" not in done.output


def test_who_does_not_ask_for_it_gets_neither_it_nor_torch(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n\ndef test_it():\n    assert 'torch' not in sys.modules\n"
    )
    assert status_in_a_new_process(tmp_path, "test_it.py") == 0
    assert status_in_a_new_process(tmp_path, *PLUGIN, "test_it.py") == 0
    assert status_in_a_new_process(tmp_path, "--family", FAMILY) == 4


def test_what_is_no_family_is_told(tmp_path: Path) -> None:
    for name in ("nowhere", "nowhere.family:Family", "typedvision:Config", "typedvision:Nothing"):
        with pytest.raises(pytest.UsageError, match=f"--family {name}: "):
            plugin._family(name)
    done = pytest_run(tmp_path, "--family", "nowhere")
    assert done.status == 4, done.output
    assert "--family nowhere: " in done.output
