"""torchao quantises the linear layers of a model; what it leaves is no file of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchao.quantization import Int8WeightOnlyConfig, quantize_

import typedvision as tv


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
@torch.inference_mode()
def test_a_quantised_model_runs_and_is_not_saved(name: str, tmp_path: Path) -> None:
    model = tv.create_model(name, seed=0).eval()
    x = torch.randn(2, 3, *model.spec.image.size)
    wanted = model(x)
    quantize_(model, Int8WeightOnlyConfig())
    assert (model(x) - wanted).abs().max() < 0.1 * wanted.abs().max()
    with pytest.raises(tv.UsageError, match="quantised"):
        tv.save_model(model, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []
