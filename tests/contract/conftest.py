"""One small model of each family, for the tests that need numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import typedvision as tv
from tests.contract.facts import COMPUTED, SMALL, THOROUGH, smallest_of_each_base
from tools.shrink import CLASSES
from typedvision.config.base import ModelConfig, to_pair
from typedvision.registry import index
from typedvision.registry.family import AnyFamily


def of_families(families: Sequence[AnyFamily]) -> pytest.MarkDecorator:
    """Runs a test for these families only; in `make thorough`, for all."""
    chosen = COMPUTED if THOROUGH else families
    return pytest.mark.parametrize("family", chosen, ids=lambda family: family.key)


takes_seconds = of_families(
    [family for family in COMPUTED if family.key in ("efficientnet", "resnet", "swin", "vit")]
)
"""For what takes seconds a family: to compile, to export, to learn."""
of_each_base = of_families(smallest_of_each_base(COMPUTED))
"""For what the classes do that models extend, and not the models."""

SIDE = 64  # pixels: five halvings leave a map of two by two


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of a family together in one process, where its small models are made once."""
    keys = {item: key for item in items if (key := _family_of(item))}
    for item, key in keys.items():
        item.add_marker(pytest.mark.xdist_group(key))
    items.sort(key=lambda item: keys.get(item, ""))


def _family_of(item: pytest.Item) -> str | None:
    """The key of the family that a contract test is about."""
    if Path(__file__).parent not in item.path.parents or not isinstance(item, pytest.Function):
        return None
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if isinstance(name := params.get("model"), str):
        return index.family_key(name)
    case = params.get("case")
    if isinstance(case, dict):
        return index.family_key(case["case"])
    return getattr(params.get("family"), "key", None)


@pytest.fixture(params=COMPUTED, ids=lambda family: family.key)
def family(request: pytest.FixtureRequest) -> AnyFamily:
    """Each family, but for those whose smallest model is large."""
    found: AnyFamily = request.param
    return found


@pytest.fixture
def small(family: AnyFamily) -> ModelConfig:
    """A small model of the family that drops nothing, for a few classes."""
    name, options = SMALL[family.key]
    if tv.accepts(name, "drop_path_rate"):
        options = {**options, "drop_path_rate": 0.0}
    return tv.configure(name, **{**options, "num_classes": CLASSES})


def image_size(cfg: ModelConfig) -> tuple[int, int]:
    """Height and width of a small image that the model takes, of two positions a side or more: what
    weighs positions learns nothing of one."""
    *_, last = cfg.features()
    steps = max(SIDE // last.stride, 2, 1 + -(-last.margin // last.stride))
    return to_pair(cfg.input_size() or steps * last.stride)
