"""A context that diverts parameters to the meta device, as `accelerate.init_empty_weights` does."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import pytest
import torch
from torch import nn

import typedvision as tv


@contextmanager
def parameters_on_meta() -> Generator[None]:
    register = nn.Module.register_parameter

    def register_on_meta(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        register(module, name, parameter)
        if parameter is not None:
            module._parameters[name] = nn.Parameter(parameter.to("meta"))

    nn.Module.register_parameter = register_on_meta  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]


@pytest.mark.parametrize("name", ["test_resnet", "swin_tiny_patch4_window7_224"])
def test_it_gives_a_meta_device_model_with_buffers(name: str) -> None:
    options = {"depths": (1, 1, 1, 1), "embed_dim": 24} if "swin" in name else {}
    with parameters_on_meta():
        model = tv.create_model(name, **options)
    wanted = tv.create_model(name, seed=0, **options)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.spec == wanted.spec
    buffers = dict(wanted.named_buffers())
    assert buffers
    for key, buffer in model.named_buffers():
        assert torch.equal(buffer, buffers[key]), key
    model.load_state_dict(wanted.state_dict(), assign=True)
    x = torch.randn(1, 3, *model.spec.image.size)
    assert torch.equal(model.eval()(x), wanted.eval()(x))


def test_it_gives_a_meta_device_backbone() -> None:
    with parameters_on_meta():
        backbone = tv.create_backbone("test_resnet", out_indices=(0,))
    assert all(parameter.is_meta for parameter in backbone.parameters())


def test_a_device_that_is_named_is_kept() -> None:
    with parameters_on_meta():
        model = tv.create_model("test_resnet", device="cpu")
    assert not any(tensor.is_meta for tensor in model.state_dict().values())


def test_pytorchs_own_default_device_is_that_of_all_tensors() -> None:
    with torch.device("meta"):
        model = tv.create_model("test_resnet")
    assert all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
