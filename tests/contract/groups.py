"""Which parameters a model's group matcher leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from typedvision.architecture.image_model import ImageModel


def outside_of_groups(model: ImageModel, names: Iterable[str], coarse: bool = False) -> list[str]:
    """Those of a model's parameters that no group takes."""
    patterns = [re.compile(pattern) for pattern in _patterns(model.group_matcher(coarse))]
    return [name for name in names if not any(pattern.match(name) for pattern in patterns)]


def _patterns(value: object) -> Iterator[str]:
    """The expressions of a group matcher: alone, or each with its order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _patterns(item)
    elif isinstance(value, list):
        for pattern, _ in value:
            yield pattern
