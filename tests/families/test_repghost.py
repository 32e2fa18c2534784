"""What is particular to RepGhostNet."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from tests.contract.filling import fill, image
from typedvision.families.repghost.config import RepGhostConfig

SMALL = RepGhostConfig(width=0.25, num_classes=5)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"cfgs": (((4, 8, 8, 0.0, 2),),)}, "cfgs"),
        ({"cfgs": (((3, 8, 8, 0.0, 1),),)}, "cfgs"),
        ({"global_pool": "catavgmax"}, "global_pool"),
        ({"global_pool": ""}, "global_pool"),
    ],
)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


@pytest.mark.parametrize("reparam", [True, False])
def test_the_inference_form_has_one_cheap_convolution(reparam: bool) -> None:
    model = tv.create_model(SMALL, seed=0, dtype=torch.float64, reparam=reparam)
    fill(model)
    fused = tv.fuse(model)
    assert isinstance(fused.get_submodule("blocks.0.0.ghost1.cheap_operation"), torch.nn.Conv2d)
    x = image((3, 64, 64))
    with torch.inference_mode():
        assert torch.allclose(fused(x), model.eval()(x), rtol=1e-9)
