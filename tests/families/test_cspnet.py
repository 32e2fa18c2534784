"""What is particular to CSPNet."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.cspnet.config import CspNetConfig

SMALL = CspNetConfig(
    stage_type="csp",
    depth=(1, 1),
    out_chs=(16, 32),
    stride=(2, 2),
    block_ratio=0.5,
    stem_chs=8,
    num_classes=5,
)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"depth": (1, 1, 1)}, "depth"),
        ({"out_chs": (8, 8, 8)}, "out_chs"),
        ({"block_ratio": 1.0}, "block_ratio"),
        ({"bottle_ratio": 0.01}, "bottle_ratio"),
        ({"groups": 3}, "groups"),
        ({"rd_ratio": 0.25}, "rd_ratio"),
        ({"stem_kernel_size": 6, "stem_stride": 1}, "stem_kernel_size"),
        ({"stem_kernel_size": 6, "stem_chs": (8, 8)}, "stem_kernel_size"),
        ({"stage_type": "cs3", "cross_linear": True}, "cross_linear"),
        ({"stage_type": "dark", "block_ratio": 1.0, "down_growth": True}, "down_growth"),
        ({"global_pool": ""}, "global_pool"),
    ],
)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    if field == "depth":
        with pytest.raises(tv.ConfigError, match="'depth': 3"):
            SMALL.replace(**options)
    else:
        assert f"'{field}'" in conflict(SMALL, options)


@pytest.mark.parametrize("kernel_size", [3, 6, 7])
def test_the_stem_halves_the_map(kernel_size: int) -> None:
    model = tv.create_model(SMALL.replace(stem_kernel_size=kernel_size), seed=0).eval()
    outputs = model.forward_intermediates(torch.zeros(1, 3, 64, 64), intermediates_only=True)
    assert [output.shape[-1] for output in outputs if isinstance(output, torch.Tensor)] == [
        *(32, 16, 8)
    ]


def test_what_does_not_subsample_does_not_widen() -> None:
    model = tv.create_model(SMALL.replace(stride=(2, 1), down_growth=True), seed=0).eval()
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 5)
