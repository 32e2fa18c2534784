"""What each published model computes, kept in `docs/families/costs.json`.

Counting takes a second a name, so `make generate` counts those alone that the file lacks; what
changes a model's cost must delete its line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from typedvision.architecture.summary import summarize
from typedvision.registry.family import AnyFamily
from typedvision.registry.spec import ModelSpec

COSTS = Path(__file__).parents[1] / "docs" / "families" / "costs.json"


def costs(families: Iterable[AnyFamily]) -> dict[str, int]:
    """The multiply-adds of one image of the model's own size, for each name of some families."""
    known = recorded()
    return {
        name: known[name] if name in known else counted(family, name)
        for family in families
        for name in sorted(family.variants)
    }


def recorded() -> dict[str, int]:
    """What the file has, by the model's name."""
    found: dict[str, int] = json.loads(COSTS.read_text("utf-8")) if COSTS.is_file() else {}
    return found


def counted(family: AnyFamily, name: str) -> int:
    """Count the multiply-adds of a variant, which is built on the meta device."""
    return summarize(ModelSpec.from_config(family.variants[name], variant=name)).multiply_adds
