"""What cannot be fused is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import typedvision as tv


def test_a_fused_model_is_refused() -> None:
    model = tv.create_model("repvgg_a0", device="meta", inference_mode=True)
    with pytest.raises(tv.UsageError, match="branches of 'repvgg_a0' are fused"):
        tv.fuse(model, norms=False)
    with pytest.raises(tv.UsageError, match="is fused as far as it goes"):
        tv.fuse(model)


def test_a_model_without_branches_is_refused() -> None:
    with pytest.raises(tv.UsageError, match="no option 'inference_mode'") as raised:
        tv.fuse(tv.create_model("resnet18", device="meta"), norms=False)
    assert [problem.path for problem in raised.value.problems] == [("model",)]


def test_a_model_with_folded_normalisations_is_not_saved(tmp_path: Path) -> None:
    fused = tv.fuse(tv.create_model("test_resnet", seed=1))
    with pytest.raises(tv.UsageError, match="is not what the spec"):
        tv.save_model(fused, tmp_path / "model.safetensors")


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(tv.UsageError, match="fuse takes a model"):
        tv.fuse(torch.nn.Identity())  # type: ignore[type-var]
