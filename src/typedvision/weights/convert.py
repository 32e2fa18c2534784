"""Makes a file of ours from a checkpoint of another kind; no pickle is ever opened here."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from typedvision.config.limits import DEFAULT_LIMITS, Limits
from typedvision.errors import UsageError, WeightsError, shown
from typedvision.registry.spec import ModelSpec
from typedvision.weights.files import to_path
from typedvision.weights.inspect import Checkpoint, inspect

if TYPE_CHECKING:
    from typedvision.weights.plan import LoadReport

_SECONDS = 1_800


def convert(
    source: str | PathLike[str],
    target: str | PathLike[str],
    spec: ModelSpec,
    *,
    ema: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> LoadReport:
    """Write a checkpoint as a file that says which model it is, as `save_model` does.

    A pickle is read by another process, under limits of memory and time, which makes nothing but
    tensors of it. The result must be the model's tensors, no more and no fewer.

    Args:
        source: a `.pth`, `.pt`, `.bin`, `.npz` or `.safetensors` file.
        target: the file to write; it is replaced if it exists.
        spec: the model that the checkpoint is of.
        ema: take the moving average of the weights instead of the last ones.
        limits: refuse a larger model.

    Raises:
        WeightsError: the source cannot be read, holds something else than tensors by name, or does
            not fit the model; or the target cannot be written.
        LimitError: the model is larger than `limits`.
        UsageError: `spec` is something else.
    """
    if not isinstance(spec, ModelSpec):
        raise UsageError(f"convert takes a ModelSpec: write specify(...); got {shown(spec)}")
    source, target = to_path(source, "source"), to_path(target, "target")
    if not os.path.isfile(source):
        raise WeightsError(f"'{source}' is no file")

    import torch

    from typedvision.architecture.build import build_model
    from typedvision.weights.load import fill
    from typedvision.weights.save import save_model

    model = build_model(spec, limits)
    with tempfile.TemporaryDirectory(prefix="typedvision-") as folder:
        checkpoint = _as_safetensors(source, Path(folder) / "state.safetensors", ema=ema)
        fill(model, checkpoint, None, device=torch.device("cpu"), dtype=None, source=str(source))
        save_model(model, target)
    report = model.load_report
    assert report is not None  # fill has just made it
    return report


def _as_safetensors(source: Path, draft: Path, *, ema: bool) -> Checkpoint:
    if source.suffix == ".safetensors" and not ema:
        return inspect(source)
    command = [sys.executable, "-I", "-m", "typedvision.weights.unpickle"]
    command += [*(["--ema"] if ema else []), "--", str(source), str(draft)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise WeightsError(f"'{source}' took longer than {_SECONDS} seconds to read") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"the process that read it ended with {done.returncode}"
        raise WeightsError(f"'{source}' cannot be converted: {reason}")
    return inspect(draft)
