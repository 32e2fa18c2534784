"""captum explains one model of each base."""

from __future__ import annotations

import pytest
import torch
from captum.attr import IntegratedGradients, LayerGradCam

from tests.contract.facts import FAMILIES, SMALL, smallest_of_each_base
from typedvision import configure, create_model
from typedvision.registry.family import AnyFamily
from typedvision.testing.checks import sides


@pytest.mark.parametrize("family", smallest_of_each_base(FAMILIES), ids=lambda family: family.key)
def test_it_attributes_a_class_to_pixels_and_to_the_last_level(family: AnyFamily) -> None:
    name, options = SMALL[family.key]
    cfg = configure(name, **{**options, "num_classes": 3})
    model = create_model(cfg, seed=0).eval()
    x = torch.randn(1, cfg.in_chans, *sides(cfg))
    pixels = IntegratedGradients(model).attribute(x, target=1, n_steps=2)
    assert pixels.shape == x.shape
    assert pixels.isfinite().all()
    last = model.get_submodule(model.feature_info[-1].name)
    assert LayerGradCam(model, last).attribute(x, target=1) is not None
