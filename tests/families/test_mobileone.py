"""What is particular to MobileOne."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from tests.contract.filling import fill, image
from typedvision.families.mobileone.config import MobileOneConfig

SMALL = MobileOneConfig(
    depths=(1, 2, 2, 1), dims=(16, 16, 32, 64), stem_chs=16, num_conv_branches=2, num_classes=5
)


def test_not_more_pairs_have_an_attention_than_there_are() -> None:
    assert "'se_blocks'" in conflict(SMALL, {"se_blocks": (0, 0, 0, 2)})


def test_the_last_pairs_have_an_attention() -> None:
    plan = SMALL.replace(se_blocks=(0, 1, 0, 0)).plan()
    assert [block.use_se for block in plan.stages[1]] == [False, False, True, True]


@pytest.mark.parametrize(
    "options", [{}, {"se_blocks": (0, 0, 1, 1)}, {"num_conv_branches": 1}, {"drop_path_rate": 0.5}]
)
def test_the_inference_form_is_one_convolution_each(options: dict[str, object]) -> None:
    model = tv.create_model(SMALL.replace(**options), seed=0, dtype=torch.float64)
    fill(model)
    fused = tv.fuse(model)
    convs = [module for module in fused.modules() if isinstance(module, torch.nn.Conv2d)]
    outside = [conv for conv in convs if conv.kernel_size == (3, 3)]
    assert len(outside) == 1 + sum(SMALL.depths)
    x = image((3, 64, 64))
    with torch.inference_mode():
        assert torch.allclose(fused(x), model.eval()(x), rtol=1e-9)
