"""What is particular to RepVGG."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from tests.contract.filling import fill, image
from typedvision.families.repvgg.config import RepVGGConfig, SqueezeExciteArgs

SMALL = RepVGGConfig(depths=(1, 2, 3, 1), dims=(16, 16, 32, 64), stem_chs=16, num_classes=5)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"groups": 3}, "groups"),
        ({"attn_kwargs": SqueezeExciteArgs(rd_divisor=1)}, "attn_kwargs"),
        ({"global_pool": ""}, "global_pool"),
    ],
)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_every_second_block_is_grouped() -> None:
    assert [block.groups for block in SMALL.replace(groups=4).plan().blocks] == [1, 4] * 3 + [1]


def test_a_shortcut_keeps_the_shape() -> None:
    assert [block.identity for block in SMALL.plan().blocks] == [
        *(False, False, True),
        *(False, True, True),
        False,
    ]


@pytest.mark.parametrize(
    "options",
    [{"groups": 4}, {"output_stride": 8}, {"attn_layer": "se"}, {"drop_path_rate": 0.5}],
)
def test_the_inference_form_is_3x3_convolutions(options: dict[str, object]) -> None:
    model = tv.create_model(SMALL.replace(**options), seed=0, dtype=torch.float64)
    fill(model)
    fused = tv.fuse(model)
    kinds = {type(module) for module in fused.modules()}
    assert torch.nn.BatchNorm2d not in kinds
    x = image((3, 64, 64))
    with torch.inference_mode():
        assert torch.allclose(fused(x), model.eval()(x), rtol=1e-9)
