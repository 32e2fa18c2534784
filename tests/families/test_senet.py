"""What is particular to SENet."""

from __future__ import annotations

import pytest

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.senet.config import Block, SENetConfig

SMALL = SENetConfig(block="se_resnet", layers=(1, 1, 1, 1), num_classes=5)

CONFLICTS = [
    ({"groups": 3}, "groups"),
    ({"block": "se_resnet_basic", "groups": 2}, "groups"),
    ({"global_pool": ""}, "global_pool"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


@pytest.mark.parametrize(("block", "subsampling"), [("se_resnet", 1), ("se_resnext", 2), ("se", 2)])
def test_which_convolution_subsamples(block: Block, subsampling: int) -> None:
    model = tv.create_model(SMALL.replace(block=block), device="meta")
    strides = [model.get_submodule(f"layer2.0.conv{number}").stride for number in (1, 2, 3)]
    assert [number for number, stride in enumerate(strides, 1) if stride == (2, 2)] == [subsampling]
