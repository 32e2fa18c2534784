"""The golden facts, written by `tools.golden`: what the peer says of each model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import typedvision as tv
from tests.contract.filling import Fingerprint
from typedvision.registry import index
from typedvision.registry.family import AnyFamily

FOLDER = Path(__file__).parents[1] / "golden"


class Facts(TypedDict):
    """One line of a golden file."""

    name: str
    params: int
    state: str
    num_features: int
    head_hidden_size: int
    levels: list[tuple[int, int, str]]
    """Channels, stride and module of each feature level; empty where the peer names none."""
    input: NotRequired[list[int]]
    features: NotRequired[Fingerprint]
    logits: NotRequired[Fingerprint]
    spread: NotRequired[dict[str, tuple[float, float]]]
    """Mean and standard deviation of each initial tensor."""
    rates: NotRequired[dict[str, tuple[float, float]]]
    """Learning rate and weight decay of each parameter, for a layer decay of a half."""
    pyramid: NotRequired[list[Fingerprint]]
    """The output of each feature level."""


def read(path: Path) -> list[Facts]:
    return [cast("Facts", json.loads(line)) for line in path.read_text("utf-8").splitlines()]


FACTS = {facts["name"]: facts for path in sorted(FOLDER.glob("*.jsonl")) for facts in read(path)}
FAMILIES = tuple(index.family(key) for key in index.family_keys())
VARIANTS = index.variants()


def smallest(family: AnyFamily) -> str:
    """The variant of a family with the fewest parameters."""
    known = [name for name in FACTS if name in family.variants]
    return (
        min(known, key=lambda name: FACTS[name]["params"])
        if known
        else min(
            family.variants,
            key=lambda name: sum(
                p.numel() for p in tv.create_model(name, device="meta").parameters()
            ),
        )
    )


SMALL = {family.key: smallest(family) for family in FAMILIES}
"""One cheap variant of each family, for what needs numbers."""


def peers_name(level: str) -> str:
    """What the peer calls a feature level: its normalisations hold their activations, which are
    modules of their own here."""
    return re.sub(r"^(features|stem)\.act", r"\1.norm", level)
