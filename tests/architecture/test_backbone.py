"""What a backbone does beyond the levels of its model: it is compiled and exported as one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import typedvision as tv

BACKBONES = {
    "test_resnet": ((1, 3), 64),
    "test_vit": ((0, -1), 160),
    "tf_mobilenetv3_small_minimal_100": ((4, 0), 64),
}


@pytest.fixture(params=BACKBONES)
def backbone(request: pytest.FixtureRequest) -> tuple[tv.Backbone[tv.ImageModel], Tensor]:
    """A backbone, and two images for it."""
    out_indices, side = BACKBONES[request.param]
    backbone = tv.create_backbone(
        request.param, out_indices=out_indices, dtype=torch.float64, seed=0
    )
    return backbone.eval(), torch.randn(2, 3, side, side, dtype=torch.float64)


def test_it_exports(backbone: tuple[tv.Backbone[tv.ImageModel], Tensor]) -> None:
    model, x = backbone
    program = torch.export.export(model, (x,))
    torch.testing.assert_close(program.module()(x), model(x))


def test_it_compiles_without_a_break(backbone: tuple[tv.Backbone[tv.ImageModel], Tensor]) -> None:
    torch.compiler.reset()
    model, x = backbone
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), model(x))
