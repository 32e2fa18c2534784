"""What is particular to networks without normalisations."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.nfnet.config import NormFreeNetConfig
from typedvision.families.nfnet.model import ScaledStdConv2d


def test_weights_are_standardised() -> None:
    conv = ScaledStdConv2d(
        4, 6, 3, stride=1, dilation=1, groups=1, gamma=2.0, gain=1.0, eps=1e-12, same=False
    )
    torch.nn.init.uniform_(conv.weight, 1.0, 2.0)
    torch.nn.init.ones_(conv.gain)
    torch.nn.init.zeros_(conv.bias)
    noise = conv(torch.randn(64, 4, 16, 16))
    assert noise.mean().item() == pytest.approx(0.0, abs=0.1)
    assert noise.std().item() == pytest.approx(2.0, rel=0.1)


def test_blocks_bring_the_expected_variance_to_one() -> None:
    cfg = tv.configure("nf_resnet50")
    assert isinstance(cfg, NormFreeNetConfig)
    first, second, third = (block.beta for block in cfg.plan().stages[0].blocks)
    assert first == 1.0
    assert second == pytest.approx((1 + 0.2**2) ** -0.5)
    assert third == pytest.approx((1 + 2 * 0.2**2) ** -0.5)
    assert cfg.plan().stages[1].blocks[0].beta == pytest.approx((1 + 3 * 0.2**2) ** -0.5)


@pytest.mark.parametrize(
    "options",
    [
        {"group_size": 24, "ch_div": 7},
        {"group_size": 4096},
        {"attn_kwargs": {"rd_ratio": 0.5}, "attn_layer": "eca"},
        {"global_pool": ""},
        {"stem_chs": 4, "ch_div": 4},
    ],
)
def test_what_cannot_go_together_is_refused(options: dict[str, object]) -> None:
    assert conflict(tv.configure("test_nfnet"), options)
