"""accelerate makes a model without weights, loads ours into it, trains and saves one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator, init_empty_weights, load_checkpoint_and_dispatch

import typedvision as tv

SWIN = {"depths": (1, 1, 1, 1), "embed_dim": 24}
MODELS = [("test_resnet", {}), ("test_vit", {}), ("swin_tiny_patch4_window7_224", SWIN)]


@pytest.mark.parametrize(("name", "options"), MODELS)
def test_an_empty_model_is_dispatched(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    wanted, path = tv.create_model(name, seed=1, **options).eval(), tmp_path / "m.safetensors"
    tv.save_model(wanted, path)
    with init_empty_weights():
        model = tv.create_model(name, **options)
    assert all(parameter.is_meta for parameter in model.parameters())
    model = load_checkpoint_and_dispatch(model, str(path), device_map={"": "cpu"}).eval()
    x = torch.randn(1, 3, *wanted.spec.image.size)
    assert torch.equal(model(x), wanted(x))


@pytest.mark.parametrize("include_buffers", [False, True])
def test_buffers_are_made_unless_they_are_left_out(include_buffers: bool) -> None:
    with init_empty_weights(include_buffers=include_buffers):
        model = tv.create_model("test_resnet")
    assert {buffer.is_meta for buffer in model.buffers()} == {include_buffers}


def test_what_it_saves_is_converted(tmp_path: Path) -> None:
    model = tv.create_model("test_resnet", seed=1)
    accelerator = Accelerator(cpu=True)
    prepared = accelerator.prepare(model)
    accelerator.save_model(prepared, str(tmp_path))
    tv.convert(tmp_path / "model.safetensors", tmp_path / "ours.safetensors", model.spec)
    loaded = tv.load_model(tmp_path / "ours.safetensors").state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in model.state_dict().items())
