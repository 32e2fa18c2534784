"""What is particular to GhostNet."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from tests.contract.filling import fill, image
from typedvision.families.ghostnet.config import GhostNetConfig

SMALL = GhostNetConfig(
    cfgs=(((3, 16, 16, 0, 1),), ((5, 16, 18, 0.25, 2), (3, 40, 22, 0, 1)), ((3, 32, 22, 0.5, 1),)),
    num_classes=5,
)


def test_kernels_are_odd() -> None:
    assert "'cfgs'" in conflict(SMALL, {"cfgs": (((4, 16, 16, 0, 2),),)})


def test_some_block_subsamples() -> None:
    assert "must be 2" in conflict(SMALL, {"cfgs": (((3, 16, 16, 0, 1),),)})


def test_the_head_takes_one_feature_for_each_channel() -> None:
    assert "'avgmax'" in conflict(SMALL, {"global_pool": "catavgmax"})


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_attention_comes_in_with_the_third_block(version: str) -> None:
    plan = SMALL.replace(version=version).plan()
    blocks = [block for stage in plan.stages for block in stage.blocks]
    assert [block.attends for block in blocks] == [False, False, True, True]


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_the_inference_form_is_equal(version: str) -> None:
    model = tv.create_model(SMALL, seed=0, dtype=torch.float64, version=version)
    fill(model)
    x = image((3, 32, 48))
    with torch.inference_mode():
        assert torch.allclose(tv.fuse(model)(x), model.eval()(x), rtol=1e-9)
