"""The environment of a user, which every test here looks at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.user_environment import ROOT, user_environment

PLUGIN = ROOT / "docs" / "plugin"


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheels of the library and of a plug-in."""
    return user_environment(tmp_path_factory.mktemp("user") / "environment", (ROOT, PLUGIN))
