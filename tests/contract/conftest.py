"""One small model of each family, for the tests that need numbers."""

from __future__ import annotations

import pytest

import typedvision as tv
from tests.contract.facts import FAMILIES, SMALL
from typedvision.config.base import ModelConfig, to_pair
from typedvision.registry import index
from typedvision.registry.family import AnyFamily

SIDE = 64  # pixels: five halvings leave a map of two by two
LARGE = 5_000_000  # parameters: each filling takes seconds
SMALLER = {
    "block_config": (2, 2, 2, 2),
    "depths": (2, 2, 2, 2),
    "embed_dim": 24,
    "mlp_ratio": 1 / 16,
}
"""What makes a large family's smallest variant small, where it has such an option."""


@pytest.fixture(params=FAMILIES, ids=lambda family: family.key)
def family(request: pytest.FixtureRequest) -> AnyFamily:
    """Each family."""
    found: AnyFamily = request.param
    return found


@pytest.fixture
def small(family: AnyFamily) -> ModelConfig:
    """The family's smallest variant, for small images and a few classes."""
    name = SMALL[family.key]
    wanted: dict[str, object] = {"img_size": SIDE, "drop_path_rate": 0.0}
    if index.rows()[family.key]["variants"][name]["params"] > LARGE:
        wanted |= SMALLER
    options = {option: value for option, value in wanted.items() if tv.accepts(name, option)}
    return tv.configure(name, num_classes=7, **options)


def image_size(cfg: ModelConfig) -> tuple[int, int]:
    """Height and width of a small image that the model takes."""
    return to_pair(cfg.input_size() or SIDE)
