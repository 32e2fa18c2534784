"""What is particular to MaxViT, CoAtNet and their relatives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.maxxvit.config import MaxxVitConfig
from typedvision.families.maxxvit.model import MaxxVit
from typedvision.layers.windows import join_grids, split_grids

MIXED = MaxxVitConfig(
    img_size=32,
    embed_dim=(8, 16),
    depths=(1, 2),
    block_type=("M", ("C", "T")),
    stem_width=4,
    num_classes=3,
    transformer_dim_head=4,
    transformer_partition_ratio=8,
)

CONFLICTS: list[tuple[dict[str, object], str]] = [
    ({"embed_dim": (8, 16, 32)}, "depths"),
    ({"block_type": ("M", ("C", "T", "T"))}, "depths"),
    ({"img_size": 36}, "multiple of 8, such as 32 or 40"),
    ({"img_size": 8, "transformer_partition_ratio": 16}, "transformer_partition_ratio"),
    ({"transformer_partition_ratio": 6, "img_size": 48}, "multiple of 4"),
    ({"transformer_window_size": 3}, "multiple of 12, such as 24 or 36"),
    ({"transformer_grid_size": 2}, "transformer_window_size"),
    ({"transformer_dim_head": 3}, "embed_dim"),
    ({"block_type": ("PM", "PM"), "embed_dim": (9, 18), "transformer_dim_head": 3}, "block_type"),
    ({"conv_block_type": "convnext", "embed_dim": (6, 9), "transformer_dim_head": 3}, "embed_dim"),
    ({"conv_block_type": "convnext", "conv_stride_mode": "1x1"}, "conv_block_type"),
    ({"conv_attn_layer": None, "conv_attn_early": True}, "conv_attn_layer"),
    ({"transformer_rel_pos_dim": 8}, "transformer_rel_pos_type"),
    ({"global_pool": "catavgmax", "head_hidden_size": 8}, "head_hidden_size"),
]


@pytest.mark.parametrize(("options", "words"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], words: str) -> None:
    assert words in conflict(MIXED, options)


def test_only_what_has_windows_or_biases_is_of_one_size() -> None:
    assert MIXED.input_size() == 32
    assert MIXED.replace(block_type=("C", "C")).input_size() is None
    whole = MIXED.replace(block_type=("C", "T"))
    assert whole.input_size() == 32
    assert whole.replace(transformer_rel_pos_type=None).input_size() is None


def test_a_grid_takes_positions_from_everywhere() -> None:
    x = torch.arange(2 * 4 * 6).reshape(2, 4, 6, 1)
    grids = split_grids(x, (2, 3))
    assert grids[0].flatten().tolist() == [0, 2, 4, 12, 14, 16]
    assert torch.equal(join_grids(grids, (4, 6), (2, 3)), x)


@pytest.mark.parametrize("bias", ["bias", "bias_tf", "mlp", None])
def test_loading_and_resizing_give_one_model(bias: str | None, tmp_path: Path) -> None:
    cfg = MIXED.replace(transformer_rel_pos_type=bias)
    model = tv.create_model(cfg, seed=0).eval()
    assert isinstance(model, MaxxVit)
    tv.save_model(model, tmp_path / "small.safetensors")
    wanted = cfg.replace(img_size=48)
    loaded = tv.create_model(wanted, checkpoint_path=tmp_path / "small.safetensors").eval()
    model.set_input_size(48)
    assert model.spec.config == wanted
    x = torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model(x), loaded(x))


def test_windows_that_are_set_stay_until_the_size_changes() -> None:
    shared = MIXED.resized(window_size=(2, 4))
    assert (shared.transformer_window_size, shared.transformer_grid_size) == ((2, 4), 4)
    assert MIXED.resized(grid_size=2).transformer_window_size == 4
    assert shared.resized(partition_ratio=8) == MIXED
