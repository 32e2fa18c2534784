"""What is particular to Swin Transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.swin.config import SwinConfig
from typedvision.families.swin.model import (
    SwinBlock,
    SwinTransformer,
    WindowAttention,
)
from typedvision.layers.position import relative_position_index, resample_relative_table
from typedvision.layers.windows import join_windows, shift_mask, split_windows

TINY = SwinConfig(
    img_size=32, embed_dim=8, depths=(2, 2), num_heads=(2, 4), window_size=5, num_classes=3
)


def swin(**options: object) -> SwinTransformer:
    model = tv.create_model(TINY.replace(**options), dtype=torch.float64, seed=0)
    assert isinstance(model, SwinTransformer)
    with torch.no_grad():
        for parameter in model.parameters():  # what is initialised to zero would hide mistakes
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


CONFLICTS = [
    ({"num_heads": (2,)}, "depths"),
    ({"num_heads": (2, 4, 8)}, "depths"),
    ({"num_heads": (16, 16)}, "embed_dim"),
    ({"window_size": (5, 5, 5)}, "depths"),
    ({"img_size": (32, 3)}, "patch_size"),
    ({"mlp_ratio": 0.1}, "embed_dim"),
]


@pytest.mark.parametrize(("options", "other"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], other: str) -> None:
    assert f"'{other}'" in conflict(TINY, options)


def test_a_window_is_one_number_or_several() -> None:
    assert TINY.replace(window_size=(5, 5)) == TINY
    with pytest.raises(tv.ConfigError, match=r"must be an integer or a list; got 7\.0"):
        TINY.replace(window_size=7.0)


@pytest.mark.parametrize(
    ("options", "windows"),
    [
        ({}, [(5, 5), (4, 4)]),
        ({"always_partition": True}, [(5, 5), (5, 5)]),
        ({"window_size": (5, 3)}, [(5, 3), (4, 3)]),
        ({"window_size": ((5, 5), (3, 3))}, [(5, 5), (3, 3)]),
        ({"img_size": (12, 36)}, [(3, 5), (2, 5)]),
    ],
)
def test_windows_shrink_to_the_map(
    options: dict[str, object], windows: list[tuple[int, int]]
) -> None:
    assert [stage.window for stage in TINY.replace(**options).plan().stages] == windows


@pytest.mark.parametrize(
    ("options", "shifts"),
    [
        ({}, [(2, 2), (0, 0)]),
        ({"always_partition": True}, [(2, 2), (2, 2)]),
        ({"window_size": (8, 3)}, [(0, 1), (0, 1)]),
    ],
)
def test_every_other_block_shifts_its_windows(
    options: dict[str, object], shifts: list[tuple[int, int]]
) -> None:
    for stage, shift in zip(TINY.replace(**options).plan().stages, shifts, strict=True):
        assert [block.shift for block in stage.blocks] == [(0, 0), shift]


def test_windows_are_cut_row_by_row() -> None:
    x = torch.arange(2 * 4 * 6).reshape(2, 4, 6, 1)
    windows = split_windows(x, (2, 3))
    assert torch.equal(windows[1, :, 0], x[0, :2, 3:, 0].flatten())
    assert torch.equal(windows[6, :, 0], x[1, 2:, :3, 0].flatten())
    assert torch.equal(join_windows(windows, (4, 6), (2, 3)), x)


def test_the_index_counts_distances() -> None:
    index = relative_position_index((2, 3))
    assert index.unique().numel() == 3 * 5
    assert index[0, 0] == index[5, 5] == 7
    assert index[0, 1] == index[3, 4] == 6  # the second is one to the right
    assert index[0, 3] == index[2, 5] == 2  # the second is one below


def test_a_shift_keeps_opposite_edges_apart() -> None:
    mask = shift_mask((4, 4), (2, 2), (0, 1), torch.zeros(()))
    assert torch.equal(mask[0], torch.zeros(4, 4))
    left, right = [0, 2], [1, 3]
    assert (mask[3][left][:, right] == -100).all()
    assert (mask[3][left][:, left] == 0).all()


def test_a_token_sees_its_window_and_the_bias_of_its_distance() -> None:
    attention = swin().get_submodule("layers.0.blocks.0.attn")
    assert isinstance(attention, WindowAttention)
    x = torch.randn(1, 25, 8, dtype=torch.float64)
    q, k, v = attention.qkv(x).reshape(25, 3, 2, 4).permute(1, 2, 0, 3)
    bias = attention.relative_position_bias_table[relative_position_index((5, 5))]
    weights = (q @ k.mT / 2 + bias.permute(2, 0, 1)).softmax(-1)
    expected = attention.proj((weights @ v).transpose(0, 1).flatten(1))
    torch.testing.assert_close(attention(x, None)[0], expected)


@pytest.mark.parametrize("any_size", [{"strict_img_size": False}, {"dynamic_img_size": True}])
def test_other_sizes_pad_the_windows(any_size: dict[str, object]) -> None:
    fixed, free = swin(), swin(**any_size)
    assert free.spec.config.input_size() is None
    free.load_state_dict(fixed.state_dict())
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(free(x), fixed(x))
    _, levels = free.forward_intermediates(torch.randn(1, 3, 44, 20, dtype=torch.float64))
    assert [tuple(level.shape[2:]) for level in levels] == [(11, 5), (6, 3)]
    with pytest.raises(tv.UsageError, match=r"32 x 32 pixels; got 44 x 20.*set_input_size"):
        fixed(x.new_zeros(1, 3, 44, 20))
    with pytest.raises(tv.UsageError, match="multiples of 4 x 4 pixels"):
        free(x.new_zeros(1, 3, 42, 20))


def assert_rebuilt(model: SwinTransformer, x: Tensor) -> None:
    rebuilt = tv.create_model(model.spec, dtype=torch.float64, seed=0).eval()
    rebuilt.load_state_dict(model.state_dict())
    torch.testing.assert_close(rebuilt(x), model(x))
    assert rebuilt.feature_info == model.feature_info


def test_windows_grow_with_the_image() -> None:
    model = swin()
    model.set_input_size((48, 32))
    assert model.spec.config == TINY.replace(img_size=(48, 32), window_size=((7, 5), (6, 4)))
    blocks = [module for module in model.modules() if isinstance(module, SwinBlock)]
    assert [block.window for block in blocks] == [(7, 5), (7, 5), (6, 4), (6, 4)]
    assert [block.shift for block in blocks] == [(0, 0), (3, 2), (0, 0), (0, 0)]
    assert_rebuilt(model, torch.randn(1, 3, 48, 32, dtype=torch.float64))


def test_patches_and_windows_are_set() -> None:
    model = swin()
    model.set_input_size(48, patch_size=8, window_size=3)
    assert model.spec.config == TINY.replace(img_size=48, patch_size=8, window_size=3)
    assert_rebuilt(model, torch.randn(1, 3, 48, 48, dtype=torch.float64))
    spec = model.spec
    model.set_input_size(48)
    assert model.spec == spec
    with pytest.raises(tv.ConfigError, match="patch_size"):
        model.set_input_size(7)
    assert model.spec == spec
    assert model.img_size == (48, 48)


def test_a_table_is_resampled_by_distance() -> None:
    table = torch.arange(49.0).reshape(49, 1)
    near = resample_relative_table(table, (4, 4), (8, 8)).reshape(15, 15)
    torch.testing.assert_close(near[6:9, 6:9], table.reshape(7, 7)[2:5, 2:5])
    assert (near.diff(dim=0) >= 0).all()
    assert resample_relative_table(table, (4, 4), (4, 4)) is table
    assert resample_relative_table(table.bfloat16(), (4, 4), (2, 3)).dtype == torch.bfloat16
    one = resample_relative_table(torch.ones(1, 2), (1, 1), (2, 3))
    torch.testing.assert_close(one, torch.ones(15, 2))


def test_tables_that_the_model_computes_are_left_in_the_checkpoint(tmp_path: Path) -> None:
    old, file = "layers.0.blocks.0.attn.relative_position_index", tmp_path / "old.safetensors"
    state = tv.create_model(TINY, seed=0).state_dict()
    save_file({**state, old: torch.zeros(25, 25, dtype=torch.int64)}, file)
    report = tv.create_model(TINY, checkpoint_path=file).load_report
    assert report is not None
    assert report.dropped == {old: "computed by the model"}
