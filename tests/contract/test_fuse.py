"""A fused model computes what the model does, and is what its spec says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import typedvision as tv
from tests.contract.conftest import image_size
from tests.contract.facts import FAMILIES, SMALL
from tests.contract.filling import fill, image
from typedvision.registry.family import AnyFamily

FUSABLE = [family for family in FAMILIES if "inference_mode" in family.config_type().model_fields]


@pytest.mark.parametrize("family", FUSABLE, ids=lambda family: family.key)
def test_a_fused_model_is_equal_and_smaller(family: AnyFamily, tmp_path: Path) -> None:
    name, options = SMALL[family.key]
    model = tv.create_model(name, seed=0, dtype=torch.float64, **options)
    fill(model)
    kept = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    fused = tv.fuse(model, norms=False)
    assert type(fused) is type(model)
    assert not fused.training
    assert fused.spec == model.spec.with_options(inference_mode=True)
    assert len(fused.state_dict()) < len(kept)

    x = image((model.spec.config.in_chans, *image_size(model.spec.config)))
    with torch.inference_mode():
        expected = model.eval()(x)
        assert torch.allclose(fused(x), expected, rtol=1e-9, atol=1e-9 * expected.abs().max())
    assert all(torch.equal(tensor, kept[key]) for key, tensor in model.state_dict().items())

    built = tv.create_model(fused.spec, device="meta")
    assert [*built.state_dict()] == [*fused.state_dict()]
    tv.save_model(fused, tmp_path / "fused.safetensors")
    loaded = tv.load_model(tmp_path / "fused.safetensors").eval()
    with torch.inference_mode():
        assert torch.equal(loaded(x.to(next(loaded.parameters()).dtype)), fused(x))
