"""What is particular to Swin Transformers V2."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.swinv2.config import SwinV2Config
from typedvision.families.swinv2.model import SwinTransformerV2, log_distances

SMALL = SwinV2Config(img_size=32, embed_dim=8, depths=(2, 2), num_heads=(2, 4), window_size=4)

CONFLICTS = [
    ({"num_heads": (2,)}, "num_heads"),
    ({"num_heads": (3, 4)}, "num_heads"),
    ({"window_size": (4, 2, 2)}, "window_size"),
    ({"pretrained_window_sizes": (12,)}, "pretrained_window_sizes"),
    ({"img_size": 3}, "img_size"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_distances_are_measured_in_the_window_of_the_weights() -> None:
    small, large = log_distances((4, 4), (4, 4)), log_distances((8, 8), (4, 4))
    torch.testing.assert_close(large[4:11, 4:11], small)
    assert small.abs().max() == pytest.approx(torch.log2(torch.tensor(9.0)).item() / 3)


def test_branches_add_nothing_at_first() -> None:
    model = tv.create_model(SMALL, seed=0).eval()
    assert isinstance(model, SwinTransformerV2)
    x = torch.randn(1, 8, 8, 8)
    assert torch.equal(model.layers[0](x), x)
