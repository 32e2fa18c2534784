"""Whether the tensors of a model are those of its spec, before they are written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from typedvision.errors import Problem, UsageError, problem_count
from typedvision.registry.family import within

if TYPE_CHECKING:
    from torch import Tensor

_HINTS = {
    ".parametrizations.": "torch.nn.utils.parametrize.remove_parametrizations gives plain tensors",
    "_mask": "torch.nn.utils.prune.remove makes pruned tensors plain ones",
    "lora_": "merge the low-rank weights into the model first",
}
"""What may be done, by a piece of the keys that tell what was done to the model."""


def extra_tensors(
    found: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    classifier: Sequence[str],
    *,
    subject: str,
    allow_extra: bool,
) -> tuple[str, ...]:
    """The user's own tensors of a model; with them, a classifier that they replace may be missing.

    Args:
        found: the tensors of the model.
        wanted: those of its spec, by key.
        classifier: paths of the classifier's layers.
        subject: what an error calls the model.
        allow_extra: whether the user's own tensors are welcome.

    Raises:
        UsageError: `load_model` would refuse these tensors: lists every one that is missing, has
            another shape, or (without `allow_extra`) is unknown.
    """
    extra = tuple(key for key in found if key not in wanted)
    replaced = allow_extra and any(within(key, _above(classifier)) for key in extra)
    problems = [
        Problem((key,), "missing", "is not in the model")
        for key in wanted
        if key not in found and not (replaced and within(key, classifier))
    ]
    problems += [
        Problem((key,), "value", f"must have the shape {tuple(old.shape)}; got {tuple(new.shape)}")
        for key, old in wanted.items()
        if (new := found.get(key)) is not None and new.shape != old.shape
    ]
    if not allow_extra:
        problems += [Problem((key,), "unknown", "is not in the spec") for key in extra]
    if problems:
        raise UsageError(_reason(subject, extra, len(problems)), problems)
    return extra


def _above(paths: Collection[str]) -> set[str]:
    """The modules that hold these, and these."""
    return {path.split(".")[0] for path in paths}


def _reason(subject: str, extra: Sequence[str], count: int) -> str:
    said = [hint for piece, hint in _HINTS.items() if any(piece in key for key in extra)]
    advice = (
        said[0]
        if said
        else ("reset_classifier gives another classifier; allow_extra=True keeps your own layers")
    )
    return f"the model is not what the spec of '{subject}' says, {problem_count(count)}: {advice}"
