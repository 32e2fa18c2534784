"""What is particular to Sequencer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.conflicts import conflict
from typedvision.families.sequencer.config import SequencerConfig
from typedvision.families.sequencer.model import Lstm

SMALL = SequencerConfig(
    img_size=64,
    layers=(1, 1, 1, 1),
    embed_dims=(16, 24, 32, 32),
    hidden_sizes=(4, 6, 8, 8),
    num_classes=3,
)

CONFLICTS = [
    ({"patch_sizes": (7, 2)}, "patch_sizes"),
    ({"mlp_ratios": (3.0, 3.0, 3.0, 0.01)}, "mlp_ratios"),
    ({"with_fc": False, "hidden_sizes": (4, 6, 8, 4)}, "with_fc"),
    ({"img_size": 27}, "img_size"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_recurrent_layer_is_that_of_pytorch(bidirectional: bool) -> None:
    torch.manual_seed(0)
    wanted = nn.LSTM(6, 4, 2, batch_first=True, bidirectional=bidirectional)
    layer = Lstm(6, 4, 2, bidirectional=bidirectional)
    layer.load_state_dict(wanted.state_dict())
    x = torch.randn(2, 5, 6)
    torch.testing.assert_close(layer(x), wanted(x)[0])
