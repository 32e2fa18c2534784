"""What is particular to VoVNet."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.vovnet.config import VovNetConfig

SMALL = VovNetConfig(
    stem_chs=(8, 8, 8),
    stage_conv_chs=(8, 8, 8, 8),
    stage_out_chs=(8, 8, 8, 8),
    layer_per_block=2,
    block_per_stage=(1, 2, 1, 2),
    num_classes=5,
    attn="ese",
)

CONFLICTS = [
    ({"drop_path_rate": 0.1}, "drop_path_rate"),
    ({"norm_layer": "groupnorm"}, "norm_layer"),
    ({"global_pool": ""}, "global_pool"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_only_the_last_block_of_a_stage_attends() -> None:
    model = tv.create_model(SMALL, device="meta")
    attended = {path.split(".attn")[0] for path, _ in model.named_parameters() if ".attn" in path}
    assert attended == {
        "stages.0.blocks.0",
        "stages.1.blocks.1",
        "stages.2.blocks.0",
        "stages.3.blocks.1",
    }


def test_dropping_every_branch_leaves_the_inputs_of_later_blocks() -> None:
    model = tv.create_model(SMALL.replace(residual=True, drop_path_rate=1.0), seed=0).train()
    first, last = (model.get_submodule(f"stages.3.blocks.{number}") for number in range(2))
    x = torch.randn(2, 8, 4, 4)
    assert last(x).equal(x)
    assert first(x).any()
