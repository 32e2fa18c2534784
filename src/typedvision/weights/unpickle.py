"""Converts a pickle or an `.npz` to safetensors; runs in a process of its own, under limits.

    python -m typedvision.weights.unpickle SOURCE TARGET [--ema]

`typedvision.weights.convert` starts it. Nothing but tensors is unpickled (`weights_only=True`), and
should that have a hole, this process has nothing to lose.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_PLAIN_KEYS = ("state_dict", "model_state_dict", "model")
_EMA_KEYS = ("state_dict_ema", "model_ema", "ema_state_dict")
_SPARE_MEMORY = 2 * 2**30
_CPU_SECONDS = 900


def main() -> None:
    """Convert the file that the command line names; what fails ends as one line on stderr."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--ema", action="store_true")
    arguments = parser.parse_args()

    from typedvision.weights.save import write_file

    source: Path = arguments.source
    _limit(source.stat().st_size)
    try:
        state = read(source, ema=arguments.ema)
        write_file(arguments.target, state, {})
    except pickle.UnpicklingError:  # its text advises to run the code in the file
        sys.exit("it is no PyTorch file, or needs more than tensors and plain values")
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")


def read(path: Path, *, ema: bool) -> dict[str, Tensor]:
    """The tensors of a checkpoint, contiguous and on the CPU.

    Raises:
        ValueError: it holds something else.
    """
    import torch

    if path.suffix == ".npz":
        import numpy

        with numpy.load(path, allow_pickle=False) as arrays:
            found: object = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    else:
        # Training scripts keep their command line in the file; it is a plain bag of values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            found = torch.load(path, map_location="cpu", weights_only=True)
    state = _state(found, _EMA_KEYS if ema else _PLAIN_KEYS, needs_key=ema)
    tensors = {str(k): v.detach() for k, v in state.items() if isinstance(v, torch.Tensor)}
    if not tensors or len(tensors) < len(state):
        others = ", ".join([str(key) for key in state if str(key) not in tensors][:5])
        raise ValueError(f"holds no tensors under {others or 'any name'}")
    return {key: tensor.contiguous() for key, tensor in tensors.items()}


def _state(found: object, keys: tuple[str, ...], *, needs_key: bool) -> Mapping[object, object]:
    """The tensors by name: what stands under one of the keys, or all that there is."""
    if not isinstance(found, Mapping):
        raise ValueError(f"holds a {type(found).__name__}, not tensors by name")
    for key in keys:
        inner = found.get(key)
        if isinstance(inner, Mapping):
            return inner
    if needs_key:
        has = ", ".join(str(key) for key in list(found)[:10])
        raise ValueError(f"has none of {', '.join(keys)}; it has {has}")
    return found


def _limit(size: int) -> None:
    """Bound what this process can take: memory, time, and what it writes."""
    if sys.platform == "win32":
        return
    import resource

    for kind, most in (
        (resource.RLIMIT_DATA, _SPARE_MEMORY + 4 * size),
        (resource.RLIMIT_FSIZE, 2**20 + 4 * size),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
