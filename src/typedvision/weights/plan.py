"""Decides, before a byte is read, where each tensor of a model comes from; imports no torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from typedvision.config.names import Resampling
from typedvision.errors import Problem, WeightsError
from typedvision.registry.family import Parts, PositionTable, RelativeTable, within

Step = Literal[
    "patch_kernel",
    "input_channels",
    "position_table",
    "relative_table",
    "distance_table",
    "axis_table",
]
"""One way of changing a tensor; what it does stands in `typedvision.weights.adapt`."""

_PREFIXES = ("module.", "_orig_mod.", "model.")
"""What wrappers put before each name: DistributedDataParallel, torch.compile, Lightning."""
_COUNTER = "num_batches_tracked"
"""Counts training steps; checkpoints of old PyTorch do not have it, and nothing depends on it."""


class TensorKind(NamedTuple):
    """What must agree between a tensor of the model and one of the checkpoint."""

    shape: tuple[int, ...]
    floating: bool


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How one tensor of the model is made from one of another shape."""

    steps: tuple[Step, ...]
    """What is done, in this order."""
    text: str
    """The change in words: `input channels 3 -> 1`."""
    grids: tuple[tuple[int, int], tuple[int, int]] | None = None
    """For a table of a map or a window, the checkpoint's rows and columns, and the model's."""
    resampling: Resampling = "bicubic"
    """How a position table or a patch kernel is brought to another size."""
    stacked_pixels: int = 1
    """Number of pixels whose channels stand together in a first convolution's input."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where every tensor of a model comes from."""

    sources: Mapping[str, str]
    """For each key of the model that is loaded, the tensor of the checkpoint."""
    adapted: Mapping[str, Adaptation]
    """Those of them that are changed on the way."""
    initialised: tuple[str, ...]
    """Keys of the model that are reinitialised."""
    dropped: Mapping[str, str]
    """Tensors of the checkpoint that are left, and why."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of each tensor when weights were loaded into a model."""

    source: str
    """Where the weights came from."""
    matched: tuple[str, ...]
    """Keys of the model that the checkpoint had as they are."""
    adapted: Mapping[str, str]
    """Keys that were changed on the way, and how: `input channels 3 -> 1`."""
    initialised: tuple[str, ...]
    """Keys that the checkpoint did not have for this model, and that were reinitialised."""
    dropped: Mapping[str, str]
    """Tensors of the checkpoint that the model did not take, and why: `another classifier`."""


def make_plan(
    wanted: Mapping[str, TensorKind],
    given: Mapping[str, TensorKind],
    parts: Parts | None,
    left_out: Sequence[str] = (),
    *,
    model: str,
    source: str,
) -> Plan:
    """Decide where each tensor comes from.

    Args:
        wanted: the model's tensors, by key.
        given: the checkpoint's, by name.
        parts: what may be adapted; None where the checkpoint must fit as it is.
        left_out: layers that the checkpoint may have and the model does without.
        model: the model, as an error names it.
        source: the checkpoint, as an error names it.

    Raises:
        WeightsError: the checkpoint does not fit; lists every missing, unexpected and misshaped
            tensor.
    """
    names = _held_activations(_without_prefix(given, wanted), wanted)
    heads = parts.classifier if parts else ()
    recomputed = parts.recomputed if parts else ()
    optional = parts.optional if parts else ()
    new_head = parts is not None and _needs_new_head(wanted, given, names, heads)
    sources: dict[str, str] = {}
    adapted: dict[str, Adaptation] = {}
    initialised: list[str] = []
    problems: list[Problem] = []
    for key, kind in wanted.items():
        name = names.get(key)
        if new_head and within(key, heads):
            initialised.append(key)
        elif name is None:
            if key.endswith(_COUNTER):
                initialised.append(key)
            else:
                problems.append(Problem((key,), "missing", "is not in the checkpoint"))
        elif given[name] == kind:
            sources[key] = name
        elif parts and (adaptation := _adaptation(key, kind, given[name], parts)):
            sources[key], adapted[key] = name, adaptation
        else:
            problems.append(_misshaped(key, kind, given[name]))
    dropped = {
        name: why
        for key, name in names.items()
        if key not in sources and (why := _why_dropped(key, heads, left_out, recomputed, optional))
    }
    for key, name in names.items():
        if key not in wanted and name not in dropped:
            problems.append(Problem((name,), "unknown", "the model has no such tensor"))
    body = [key for key in sources if not within(key, heads)]
    if problems or not body:
        raise WeightsError(_summary(model, source, problems, bool(body)), problems)
    return Plan(sources, adapted, tuple(initialised), dropped)


def _without_prefix(given: Iterable[str], wanted: Mapping[str, TensorKind]) -> dict[str, str]:
    """The checkpoint's names by the key that they mean, without what a wrapper put before all."""
    names = {name: name for name in given}
    while True:
        shared = [
            prefix
            for prefix in _PREFIXES
            if names
            and all(key.startswith(prefix) for key in names)
            and not any(key.startswith(prefix) for key in wanted)
        ]
        if not shared:
            return names
        names = {key.removeprefix(shared[0]): name for key, name in names.items()}


def _held_activations(names: Mapping[str, str], wanted: Collection[str]) -> dict[str, str]:
    """The checkpoint's names by the key that they mean, where timm's normalisations hold the
    activation that follows them: its `bn1.act.weight` is the weight of the layer behind `bn1`."""
    path, meant = "", dict(names)
    for key in wanted:
        held = f"{path}.act.weight"
        if key not in names and held in names and held not in wanted:
            meant[key] = meant.pop(held)
        path = key.rpartition(".")[0]
    return meant


def _why_dropped(
    key: str,
    heads: Sequence[str],
    left_out: Sequence[str],
    recomputed: Sequence[str],
    optional: Sequence[str],
) -> str | None:
    if within(key, left_out):
        return "past the last level"
    if key.rpartition(".")[2] in recomputed:
        return "computed by the model"
    if within(key, optional):
        return "an option of the model"
    return "another classifier" if within(key, heads) else None


def _needs_new_head(
    wanted: Mapping[str, TensorKind],
    given: Mapping[str, TensorKind],
    names: Mapping[str, str],
    heads: tuple[str, ...],
) -> bool:
    """Whether the checkpoint has no classifier, or one for another number of classes."""
    both = [key for key in wanted if within(key, heads) and key in names]
    return not both or any(wanted[key].shape[:1] != given[names[key]].shape[:1] for key in both)


def _adaptation(key: str, wanted: TensorKind, given: TensorKind, parts: Parts) -> Adaptation | None:
    if not wanted.floating or not given.floating or len(wanted.shape) != len(given.shape):
        return None
    for table in parts.position_tables:
        if key == table.path:
            return _position_table(table, wanted.shape, given.shape, parts.resampling)
    for relative in parts.relative_tables:
        if key == relative.path:
            return _relative_table(relative, wanted.shape, given.shape)
    if key in parts.distance_tables:
        return _distance_table(wanted.shape, given.shape)
    if key in parts.axis_tables:
        return _axis_table(wanted.shape, given.shape)
    if key in (f"{path}.weight" for path in parts.first_conv):
        is_patch_kernel = key.removesuffix(".weight") in parts.patch_kernels
        resampling = parts.resampling if is_patch_kernel else None
        return _first_conv(wanted.shape, given.shape, resampling, parts.stacked_pixels)
    return None


def _first_conv(
    wanted: tuple[int, ...],
    given: tuple[int, ...],
    resampling: Resampling | None,
    stacked_pixels: int,
) -> Adaptation | None:
    """Of a weight (out, in, kernel...); the kernel stays where there is no resampling for it."""
    steps: list[Step] = []
    words = []
    if wanted[2:] != given[2:]:
        steps.append("patch_kernel")
        words.append(f"patch kernel {_by(given[2:])} -> {_by(wanted[2:])}")
    if wanted[1] != given[1]:
        steps.append("input_channels")
        words.append(f"input channels {given[1]} -> {wanted[1]}")
    if wanted[0] != given[0] or ("patch_kernel" in steps and resampling is None):
        return None
    return Adaptation(
        tuple(steps),
        ", ".join(words),
        resampling=resampling or "bicubic",
        stacked_pixels=stacked_pixels,
    )


def _position_table(
    table: PositionTable,
    wanted: tuple[int, ...],
    given: tuple[int, ...],
    resampling: Resampling,
) -> Adaptation | None:
    """Of a table (1, prefix + rows * columns, width), whose old grid was a square."""
    rows, columns = table.grid
    prefix = wanted[1] - rows * columns
    side = math.isqrt(max(given[1] - prefix, 0))
    if wanted[::2] != given[::2] or side == 0 or side**2 != given[1] - prefix:
        return None
    old = (side, side)
    text = f"position grid {_by(old)} -> {_by(table.grid)}"
    return Adaptation(("position_table",), text, (old, table.grid), resampling)


def _relative_table(
    table: RelativeTable, wanted: tuple[int, ...], given: tuple[int, ...]
) -> Adaptation | None:
    """Of a table (distances + extra, heads), whose old window was a square; or of a map of any."""
    if len(wanted) == 3:
        old = (given[1] + 1) // 2, (given[2] + 1) // 2
        return _resampled(table, old) if wanted[0] == given[0] else None
    extra = wanted[0] - table.distances
    distances = math.isqrt(max(given[0] - extra, 0))
    if wanted[1:] != given[1:] or distances**2 != given[0] - extra or distances % 2 == 0:
        return None
    side = (distances + 1) // 2
    return _resampled(table, (side, side))


def _resampled(table: RelativeTable, old: tuple[int, int]) -> Adaptation:
    text = f"window {_by(old)} -> {_by(table.window)}"
    return Adaptation(("relative_table",), text, (old, table.window))


def _distance_table(wanted: tuple[int, ...], given: tuple[int, ...]) -> Adaptation | None:
    """Of a table (heads, side * side)."""
    old, new = math.isqrt(given[1]), math.isqrt(wanted[1])
    if wanted[0] != given[0] or old == 0 or old**2 != given[1]:
        return None
    grids = (old, old), (new, new)
    text = f"window {_by(grids[0])} -> {_by(grids[1])}"
    return Adaptation(("distance_table",), text, grids)


def _axis_table(wanted: tuple[int, ...], given: tuple[int, ...]) -> Adaptation | None:
    """Of a table (distances, width)."""
    if wanted[1] != given[1] or given[0] % 2 == 0:
        return None
    return Adaptation(("axis_table",), f"distances along an axis {given[0]} -> {wanted[0]}")


def _by(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))


def _misshaped(key: str, wanted: TensorKind, given: TensorKind) -> Problem:
    if wanted.floating != given.floating:
        need = "floating-point" if wanted.floating else "integer"
        return Problem((key,), "type", f"must be a {need} tensor")
    text = f"must have the shape {wanted.shape}; the checkpoint has {given.shape}"
    return Problem((key,), "value", text, given.shape)


def _summary(model: str, source: str, problems: list[Problem], some_fit: bool) -> str:
    if not some_fit:
        return f"{source} shares no tensor with {model}: it is of another model"
    kinds = [problem.kind for problem in problems]
    counts = {
        "missing": kinds.count("missing"),
        "unexpected": kinds.count("unknown"),
        "misshaped": len(kinds) - kinds.count("missing") - kinds.count("unknown"),
    }
    found = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"{source} does not fit {model}: {found}"
