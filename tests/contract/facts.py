"""The golden facts, written by `tools.golden`: what the peer says of each model."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import typedvision as tv
from tests.contract.filling import Fingerprint
from tools.shrink import shrunk
from typedvision.registry import index
from typedvision.registry.family import AnyFamily

FOLDER = Path(__file__).parents[1] / "golden"


class Facts(TypedDict):
    """What the peer says of a variant."""

    name: str
    params: int
    state: str
    num_features: int
    head_hidden_size: int
    order: str
    """Digest of the parameters' names, in their order."""
    levels: list[tuple[int, int, str]]
    """Channels, stride and module of each feature level; empty where the peer names none."""


class Case(TypedDict):
    """A variant made small, and what the peer computes with it."""

    case: str
    """The variant."""
    options: dict[str, Any]
    params: int
    input: list[int]
    gain: float
    """Of the filling."""
    features: Fingerprint
    logits: Fingerprint
    spread: NotRequired[dict[str, tuple[float, float]]]
    """Mean and standard deviation of each initial tensor."""
    rates: NotRequired[dict[str, tuple[float, float]]]
    """Learning rate and weight decay of each parameter, for a layer decay of a half."""
    pyramid: NotRequired[list[Fingerprint]]
    """The output of each feature level."""


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


FAMILIES = tuple(index.family(key) for key in index.family_keys())
VARIANTS = index.variants()
ROWS = {path.stem: read(path) for path in sorted(FOLDER.glob("*.jsonl"))}
FACTS = {row["name"]: cast("Facts", row) for rows in ROWS.values() for row in rows if "name" in row}
CASES = {key: [cast("Case", row) for row in rows if "case" in row] for key, rows in ROWS.items()}
"""The cases of each family."""
CASE = [case for cases in CASES.values() for case in cases]
"""Every case."""


FEW = 3_000_000
"""Parameters of a model that is small; the peer cannot shrink each of its own."""


def small(family: AnyFamily) -> tuple[str, dict[str, Any]]:
    """A variant of a family, and options that make it small: its first small case, if any."""
    for case in CASES.get(family.key, ()):
        if case["params"] < FEW:
            return case["case"], case["options"]
    params = index.rows()[family.key]["variants"]
    name = min(family.variants, key=lambda name: params[name]["params"])
    return name, shrunk(name)[0]


SMALL = {family.key: small(family) for family in FAMILIES}
"""One cheap model of each family, for what needs numbers."""


MODERATE = 10_000_000
"""Parameters of a small model above which all tests of its family take minutes."""


def is_moderate(family: AnyFamily) -> bool:
    """Whether the family's small model computes in a moment."""
    if any(case["params"] < FEW for case in CASES.get(family.key, ())):
        return True
    name, options = SMALL[family.key]
    model = tv.create_model(name, device="meta", **options)
    return sum(parameter.numel() for parameter in model.parameters()) < MODERATE


COMPUTED = [family for family in FAMILIES if os.environ.get("THOROUGH") or is_moderate(family)]
"""The families that every contract test is about; in `make thorough`, all of them."""


def first_of_each_base(families: Sequence[AnyFamily]) -> list[AnyFamily]:
    """One family for each class that configs extend."""
    firsts: dict[type, AnyFamily] = {}
    for family in families:
        firsts.setdefault(family.config_type().__bases__[0], family)
    return list(firsts.values())
