"""`torch.fx` traces a model of every family: sizes are looked at in wrapped functions only."""

from __future__ import annotations

import torch

from tests.contract.conftest import of_each_base
from tests.contract.models import filled, images, same
from typedvision.config.base import ModelConfig


@of_each_base
@torch.inference_mode()
def test_a_symbolic_trace_computes_the_same(small: ModelConfig) -> None:
    model, x = filled(small), images(small)
    graph = torch.fx.symbolic_trace(model)
    same(graph(x), model(x))
    same(graph(x[:1]), model(x[:1]))
