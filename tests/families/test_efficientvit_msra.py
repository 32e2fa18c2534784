"""What is particular to EfficientViT of Microsoft."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.efficientvit_msra.model import EfficientVitMsra


def test_windows_grow_with_the_input() -> None:
    model = tv.create_model(
        "efficientvit_m0", embed_dim=(8, 8, 8), depth=(1, 1, 1), num_heads=(2, 2, 2), num_classes=2
    ).eval()
    assert isinstance(model, EfficientVitMsra)
    torch.nn.init.normal_(last_bias(model))
    before = last_bias(model).detach().reshape(1, 2, 4, 4)
    model.set_input_size(320)
    resized = F.interpolate(before, (5, 5), mode="bicubic", antialias=True)
    torch.testing.assert_close(last_bias(model).detach(), resized[0].flatten(1))
    same = tv.create_model(model.spec).eval()
    same.load_state_dict(model.state_dict())
    x = torch.randn(1, 3, 320, 320)
    assert torch.equal(model(x), same(x))


def last_bias(model: torch.nn.Module) -> torch.nn.Parameter:
    return model.get_parameter("stages.2.blocks.0.mixer.m.attn.attention_biases")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"depth": (1, 2)}, "one value for each stage"),
        ({"img_size": 64}, "one position in stage 2"),
        ({"window_size": (7, 1, 7)}, "one position in stage 1"),
        ({"embed_dim": (4, 128, 192)}, "an eighth"),
        ({"num_heads": (3, 4, 4)}, "must divide"),
        ({"kernels": (3, 3)}, "one number for each of 'num_heads'"),
        ({"kernels": (3, 3, 4, 3)}, "odd"),
        ({"down_ops": (("subsample", 2),) * 3}, "start with"),
        ({"down_ops": (("", 1), ("subsample", 1), ("subsample", 2))}, "('subsample', 2) each"),
        ({"down_ops": (("", 1), ("", 1), ("subsample", 2))}, "stay as it is"),
        ({"global_pool": ""}, "num_classes"),
    ],
)
def test_what_cannot_go_together(options: dict[str, object], reason: str) -> None:
    assert reason in conflict(tv.configure("efficientvit_m0"), options)
