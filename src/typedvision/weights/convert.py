"""Makes a file of ours from a checkpoint of another kind; no pickle is ever opened here."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from typedvision.config.limits import DEFAULT_LIMITS, Limits
from typedvision.errors import UsageError, WeightsError, listed, shown
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
    prefix: str | None = None,
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
        prefix: what the names of the model's tensors start with, such as `"model."` in a
            checkpoint of Lightning; other tensors are left out. By default it is found, where
            only one makes the names those of the model.
        limits: refuse a larger model.

    Raises:
        WeightsError: the source cannot be read, holds something else than tensors by name, or does
            not fit the model, or fits it with several prefixes; or the target cannot be written.
        LimitError: the model is larger than `limits`.
        UsageError: `spec` is something else.
    """
    if not isinstance(spec, ModelSpec):
        raise UsageError(f"convert takes a ModelSpec: write specify(...); got {shown(spec)}")
    source, target = to_path(source, "source"), to_path(target, "target")
    if not isinstance(prefix, str | None):
        raise UsageError(f"prefix is what names start with; got {shown(prefix)}")
    if not os.path.isfile(source):
        raise WeightsError(f"'{source}' is no file")

    import torch

    from typedvision.architecture.build import build_model
    from typedvision.weights.load import fill
    from typedvision.weights.save import save_model

    model = build_model(spec, limits)
    with tempfile.TemporaryDirectory(prefix="typedvision-") as folder:
        checkpoint = _as_safetensors(source, Path(folder) / "state.safetensors", ema=ema)
        checkpoint = _of_the_model(checkpoint, model.state_dict().keys(), prefix)
        fill(model, checkpoint, None, device=torch.device("cpu"), dtype=None, source=str(source))
        save_model(model, target)
    report = model.load_report
    assert report is not None  # fill has just made it
    return report


def _of_the_model(
    checkpoint: Checkpoint, wanted: Collection[str], prefix: str | None
) -> Checkpoint:
    """The tensors of the model alone, by their names without the prefix.

    Raises:
        WeightsError: there are several models that it may be, or none with the prefix.
    """
    names = checkpoint.tensors.keys()
    if prefix is None:
        found = sorted(_prefixes(names, wanted))
        if len(found) > 1:
            raise WeightsError(
                f"'{checkpoint.path.name}' holds the model {len(found)} times, behind "
                f"{listed(found)}: say which one by prefix="
            )
        prefix = found[0] if found else ""
    kept = {name: name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    if not kept:
        raise WeightsError(f"no tensor of '{checkpoint.path.name}' starts with '{prefix}'")
    return replace(
        checkpoint,
        tensors={key: checkpoint.tensors[name] for name, key in kept.items()},
        digests={
            key: checkpoint.digests[name]
            for name, key in kept.items()
            if name in checkpoint.digests
        },
    )


def _prefixes(names: Collection[str], wanted: Collection[str]) -> Iterator[str]:
    """What may stand before every name of the model."""
    needed = [key for key in wanted if not key.endswith("num_batches_tracked")]
    for name in names:
        if name.endswith(f".{needed[0]}"):
            prefix = name.removesuffix(needed[0])
            if all(f"{prefix}{key}" in names for key in needed):
                yield prefix


def _as_safetensors(source: Path, draft: Path, *, ema: bool) -> Checkpoint:
    if source.suffix == ".safetensors" and not ema:
        return inspect(source)
    _unpickle(source, draft, ema=ema)
    return inspect(draft)


def _unpickle(source: Path, draft: Path, *, ema: bool) -> None:
    """Have another process, which has nothing to lose, read what may hold anything.

    Raises:
        WeightsError: it cannot, or takes too long.
    """
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
