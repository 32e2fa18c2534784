"""What is particular to iFormer."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from tests.contract.filling import fill, image
from typedvision.families.iformer.config import IFormerConfig

SMALL = IFormerConfig(
    dims=(8, 16),
    depths=(1, 5),
    attn_groups=(0, 1),
    attn_head_dim_reduction=(0, 2),
    layer_scale_init_value=0.5,
    num_classes=5,
)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"global_pool": ""}, "global_pool"),
        ({"depths": (1,)}, "depths"),
        ({"attn_groups": (0, 2)}, "attn_groups"),
        ({"attn_head_dim_reduction": (0, 0)}, "attn_head_dim_reduction"),
    ],
)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_a_convolution_stands_behind_attention() -> None:
    kinds = [kind for kind, _ in SMALL.plan()[1].blocks]
    assert kinds == ["conv", "positions", "attention", "mlp", "conv"]


@pytest.mark.parametrize("distillation", [False, True])
def test_the_inference_form_has_no_normalisation(distillation: bool) -> None:
    options = SMALL.replace(distillation=distillation)
    model = tv.create_model(options, seed=0, dtype=torch.float64).eval()
    fill(model)
    fused = tv.fuse(model, norms=False)
    kinds = {type(module) for module in fused.modules()}
    assert not kinds & {torch.nn.BatchNorm1d, torch.nn.BatchNorm2d}
    x = image((3, 64, 64))
    with torch.inference_mode():
        assert torch.allclose(fused(x), model(x), rtol=1e-9)
