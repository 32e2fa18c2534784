"""A user's environment: wheels in a fresh folder, beside the packages that are installed here."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".mypy_cache" / "users"
"""For mypy, which then reads torch once and not each time."""


def user_environment(folder: Path, sources: Iterable[Path] = (ROOT,)) -> Path:
    """Install the wheels of these projects, and nothing else of them, into a new environment.

    What the wheels need is linked from the environment that runs this; nothing is downloaded.

    Args:
        folder: where the environment shall stand; it must not exist.
        sources: folders of projects.

    Returns:
        The environment's interpreter.
    """
    wheels = folder / "wheels"
    for source in sources:
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels, cwd=source)
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=wheels)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--no-index", "--no-deps", "--quiet", *wheels.glob("*.whl"), cwd=wheels)
    (site,) = folder.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(str(_linked_dependencies()))
    return python


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints.

    Raises:
        RuntimeError: it fails.
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _linked_dependencies() -> Path:
    """A folder with links to all that is installed here, but not to this checkout.

    It has a fixed place, so that mypy's cache of what it read there stays good. Links that are
    right stay, since another process may be using them.
    """
    links = CACHE / "dependencies"
    links.mkdir(parents=True, exist_ok=True)
    wanted = {
        path.name: path
        for path in Path(sysconfig.get_path("purelib")).iterdir()
        if "typedvision" not in path.name and path.suffix != ".pth"
    }
    for link in links.iterdir():
        if link.name not in wanted or link.readlink() != wanted[link.name]:
            link.unlink(missing_ok=True)
    for name, path in wanted.items():
        with suppress(FileExistsError):
            (links / name).symlink_to(path)
    return links
