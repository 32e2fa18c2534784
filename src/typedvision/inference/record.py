"""Choices of engines, kept in a JSON file from one process to the next."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import get_args

from typedvision.config.names import EngineName
from typedvision.errors import OptimizeError
from typedvision.inference.model import OptimizeReport
from typedvision.weights.files import replace_file, to_path

_PACKAGES = ("torch", "onnxruntime", "onnxruntime-gpu", "openvino", "typedvision")


class Record:
    """A JSON file of choices: what each depends on, the engine, and the seconds of each engine.

    Args:
        path: the file; it is written with the first choice.

    Raises:
        OptimizeError: there is a file, and it is something else.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path: Path = to_path(path)
        self.rows: list[dict[str, object]] = self._read() if self.path.exists() else []

    def get(self, key: Mapping[str, object]) -> EngineName | None:
        """The engine that was chosen, or None."""
        for row in self.rows:
            if row["for"] == dict(key):
                return next(name for name in get_args(EngineName) if name == row["engine"])
        return None

    def put(self, key: Mapping[str, object], report: OptimizeReport) -> None:
        """Add a choice, and write the file."""
        seconds = {found.engine: found.seconds for found in report.candidates}
        row: dict[str, object] = {"for": dict(key), "engine": report.engine, "seconds": seconds}
        self.rows = [*(old for old in self.rows if old["for"] != row["for"]), row]
        text = json.dumps({"schema_version": 1, "choices": self.rows}, indent=2) + "\n"
        replace_file(self.path, lambda draft: draft.write_text(text, "utf-8"), OptimizeError)

    def _read(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        try:
            document = json.loads(self.path.read_text("utf-8"))
            rows = document["choices"]
            valid = document["schema_version"] == 1 and all(
                isinstance(row["for"], dict) and row["engine"] in get_args(EngineName)
                for row in rows
            )
        except (OSError, ValueError, LookupError, TypeError):
            valid = False
        if not valid:
            raise OptimizeError(f"'{self.path}' is no record of choices: name another file")
        return rows


def machine() -> str:
    """The processor of this machine, as far as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """The versions of what is installed of the engines."""
    found: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
