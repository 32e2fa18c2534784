"""One small model of each family, for the tests that need numbers."""

from __future__ import annotations

import pytest

import typedvision as tv
from tests.contract.facts import FAMILIES, SMALL
from typedvision.config.base import ModelConfig, to_pair
from typedvision.registry import index
from typedvision.registry.family import AnyFamily

SIDE = 64  # pixels: five halvings leave a map of two by two
LARGE = 60_000_000  # parameters: each filling takes seconds


@pytest.fixture(params=FAMILIES, ids=lambda family: family.key)
def family(request: pytest.FixtureRequest) -> AnyFamily:
    """Each family."""
    found: AnyFamily = request.param
    return found


@pytest.fixture
def small(family: AnyFamily) -> ModelConfig:
    """The family's smallest variant, for small pictures and a few classes."""
    name = SMALL[family.key]
    options: dict[str, object] = {"img_size": SIDE} if tv.accepts(name, "img_size") else {}
    if index.rows()[family.key]["variants"][name]["params"] > LARGE:
        options["mlp_ratio"] = 1 / 64  # where the fully connected layers hold most of them
    return tv.configure(name, num_classes=7, **options)


def picture_size(cfg: ModelConfig) -> tuple[int, int]:
    """Height and width of a small picture that the model takes."""
    return to_pair(cfg.input_size() or SIDE)
