"""The golden facts, written by `tools.golden`: what the peer says of each model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from tests.contract.filling import Fingerprint
from tools.shrink import shrunk
from typedvision.architecture.image_model import ImageModel
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


LARGE = {
    "hrnet",
    "inception_resnet_v2",
    "inception_v3",
    "inception_v4",
    "nasnet",
    "pnasnet",
    "xception",
}
"""Families whose widths and depths are no options: all tests of one take minutes."""
THOROUGH = bool(os.environ.get("THOROUGH"))
COMPUTED = [family for family in FAMILIES if THOROUGH or family.key not in LARGE]
"""The families that every contract test is about; in `make thorough`, all of them."""


def smallest_of_each_base(families: Iterable[AnyFamily]) -> list[AnyFamily]:
    """Few and small families whose models extend, together, each class that models extend."""
    found, extended = list[AnyFamily](), set[type]()
    for family in sorted(families, key=least_parameters):
        bases = set(model_type(family).__mro__[1:])
        if not bases <= extended:
            found.append(family)
            extended |= bases
    return found


def least_parameters(family: AnyFamily) -> int:
    """How many the smallest variant of a family has."""
    return min(row["params"] for row in index.rows()[family.key]["variants"].values())


def model_type(family: AnyFamily) -> type[ImageModel]:
    """The class of a family's models; the first, where they are of several."""
    module = import_module(f"{family.__module__.removesuffix('.family')}.model")
    return next(
        one
        for one in vars(module).values()
        if isinstance(one, type)
        and issubclass(one, ImageModel)
        and one.__module__ == module.__name__
    )
