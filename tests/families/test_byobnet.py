"""What is particular to ByobNet."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.byobnet.config import (
    AttentionArgs,
    BlockArgs,
    ByobNetConfig,
    SelfAttentionArgs,
)
from typedvision.families.byobnet.model import AttentionPool2d, ByobNet, ResidualBlock
from typedvision.layers.blur import FilteredConv
from typedvision.layers.drop import DropBlock2d

SMALL = ByobNetConfig(layers=(1, 1), channels=(64, 128), strides=(1, 2), stem_chs=16, num_classes=5)
ATTENDS = {"block": "self_attn", "self_attn_layer": "bottleneck"}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"channels": (64, 64, 64)}, "channels"),
        ({"block": ("basic",)}, "block"),
        ({"group_size": 3}, "group_size"),
        ({"block": "edge", "group_size": 1, "bottle_ratio": 0.3}, "group_size"),
        ({"norm_layer": "groupnorm"}, "norm_group_size"),
        ({"attn_kwargs": AttentionArgs(rd_ratio=0.5)}, "attn_kwargs"),
        ({"attn_layer": "se", "attn_kwargs": AttentionArgs(block_size=8)}, "attn_kwargs"),
        ({"stem_type": "deep", "stem_chs": (8, 16)}, "stem_chs"),
        ({"block": "basic", "block_kwargs": BlockArgs(extra_conv=True)}, "block_kwargs"),
        ({"head_hidden_size": 8}, "head_hidden_size"),
        ({"head_type": "mlp"}, "head_type"),
        ({"head_type": "attn_abs", "global_pool": "max"}, "global_pool"),
        ({"head_type": "attn_abs", "channels": (64, 96)}, "head_type"),
        ({"head_type": "attn_abs", "head_hidden_size": 100}, "head_hidden_size"),
        ({"head_type": "attn_abs", "img_size": 100}, "img_size"),
        ({"head_type": "attn_rot", "global_pool": "max"}, "global_pool"),
        ({"head_type": "attn_rot", "global_pool": ""}, "global_pool"),
        ({"head_type": "attn_rot", "channels": (64, 96)}, "head_type"),
        ({"head_type": "attn_rot", "head_hidden_size": 100}, "head_hidden_size"),
        ({"global_pool": ""}, "global_pool"),
        ({"block": "self_attn"}, "self_attn_layer"),
        ({"self_attn_layer": "halo"}, "self_attn_layer"),
        ({"block": ("self_attn", "basic"), "self_attn_layer": (None, "halo")}, "self_attn_layer"),
        ({**ATTENDS, "self_attn_kwargs": SelfAttentionArgs(r=5)}, "self_attn_kwargs"),
        ({**ATTENDS, "self_attn_kwargs": SelfAttentionArgs(num_heads=3)}, "self_attn_kwargs"),
        ({**ATTENDS, "img_size": 100}, "img_size"),
        ({**ATTENDS, "drop_block_rate": 0.1}, "drop_block_rate"),
        (
            {"norm_layer": "evonorms0", "norm_group_size": 16, "drop_block_rate": 0.1},
            "drop_block_rate",
        ),
        ({"layers": (1,), "channels": (64,), "strides": (1,), "drop_block_rate": 0.1}, "layers"),
        ({"drop_block_size": 5}, "drop_block_size"),
        ({"attn_layer": "halo"}, "img_size"),
        ({**ATTENDS, "self_attn_layer": "halo", "img_size": 48}, "img_size"),
    ],
)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_levels_are_the_last_maps_of_each_resolution() -> None:
    config = SMALL.replace(layers=(1,) * 4, channels=(64,) * 4, strides=(2, 1, 2, 1))
    assert [(level.stride, level.name) for level in config.features()] == [
        (2, "stem.conv1"),
        (4, "stem"),
        (8, "stages.1"),
        (16, "final_conv"),
    ]
    without_pool = config.replace(stem_pool="")
    assert [level.name for level in without_pool.features()] == ["stem", "stages.1", "final_conv"]


def test_a_block_without_a_shortcut_changes_the_shape_alone() -> None:
    model = tv.create_model(SMALL.replace(downsample="", layers=(2, 2)), device="meta")
    assert isinstance(model, ByobNet)
    blocks = [module for module in model.modules() if isinstance(module, ResidualBlock)]
    shortcuts = [block.shortcut is not None for block in blocks]
    assert shortcuts == [False, True, False, True]


def test_the_attention_that_pools_sees_every_position() -> None:
    pool = AttentionPool2d(64, 128, (2, 3), 0, "avg", 0.0).double()
    assert pool.pos_embed is not None
    with torch.no_grad():
        pool.pos_embed.zero_()
    x = torch.randn(2, 64, 2, 3, dtype=torch.float64)
    assert pool(x).shape == (2, 128)
    assert torch.allclose(pool(x), pool(x.flip(2, 3)))


@torch.inference_mode()
def test_the_rotary_attention_that_pools_stretches_positions_to_its_grid() -> None:
    pool = AttentionPool2d(64, 128, (2, 3), 0, "avg", 0.0, rotary=True).double()
    assert pool.rope is not None
    x = torch.randn(2, 64, 4, 6, dtype=torch.float64)
    fine, coarse = pool.rope((4, 6), x), pool.rope((2, 3), x)
    torch.testing.assert_close(fine.unflatten(1, (4, 6))[:, ::2, ::2].flatten(1, 2), coarse)
    assert not torch.allclose(pool(x), pool(x.flip(2, 3)))
    repeated = x[:, :, :1, :1].expand_as(x)  # equal values have equal means, wherever they are
    torch.testing.assert_close(pool(repeated), pool.v(repeated[:, :, 0, 0]))


@torch.inference_mode()
@pytest.mark.parametrize("head_type", ["attn_abs", "attn_rot"])
def test_where_nothing_is_pooled_every_position_attends(head_type: str) -> None:
    cfg = SMALL.replace(head_type=head_type, head_hidden_size=128, img_size=(16, 24))
    model, x = tv.create_model(cfg, seed=0).eval(), torch.randn(2, 3, 16, 24)
    assert model(x).shape == (2, 5)
    model.reset_classifier(0, "")
    assert model.head_hidden_size == 128
    assert model(x).shape == (2, 128, 2, 3)
    assert model.spec.config == cfg.replace(num_classes=0, global_pool="")
    model.reset_classifier(7, "avg")
    assert model(x).shape == (2, 7)


def test_blocks_of_a_stage_follow_each_other_again_and_again() -> None:
    config = SMALL.replace(
        block=("basic", ("bottle", "self_attn")),
        layers=(1, 3),
        self_attn_layer=(None, "bottleneck"),
        img_size=64,
    )
    stage = config.plan().stages[1]
    assert [block.kind for block in stage.blocks] == ["bottle", "self_attn", "bottle"]
    assert config.input_size() == 64


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ("basic", "conv2_kxk"),
        ("bottle", "conv2_kxk"),
        ("dark", "conv2_kxk"),
        ("edge", "conv1_kxk"),
        (("bottle", "bottle", ("self_attn", "bottle")), "conv2_kxk"),
    ],
)
def test_the_last_two_stages_drop_blocks(block: object, path: str) -> None:
    attention = {} if isinstance(block, str) else {"self_attn_layer": (None, None, "bottleneck")}
    cfg = SMALL.replace(
        layers=(1, 1, 2),
        channels=(64,) * 3,
        strides=(1, 2, 2),
        block=block,
        drop_block_rate=0.2,
        drop_block_size=4,
        **attention,
    )
    model = tv.create_model(cfg, device="meta")
    drops = {
        name: (module.rate, module.block_size, module.gamma_scale)
        for name, module in model.named_modules()
        if isinstance(module, DropBlock2d)
    }
    wanted = {
        f"stages.1.0.{path}.drop": (0.2, 7, 0.25),
        f"stages.2.0.{path}.drop": (0.2, 4, 1.0),
        f"stages.2.1.{path}.drop": (0.2, 4, 1.0),
    }
    if attention:
        del wanted[f"stages.2.0.{path}.drop"]
    assert drops == wanted


def test_blocks_are_dropped_in_training_only() -> None:
    plain = SMALL.replace(zero_init_last=False)
    model, x = (
        tv.create_model(plain.replace(drop_block_rate=0.5), seed=0),
        torch.randn(2, 3, 64, 64),
    )
    whole = tv.create_model(plain, seed=0)
    torch.testing.assert_close(model.eval()(x), whole.eval()(x))
    assert not torch.allclose(model.train()(x), whole.train()(x))


def test_what_filters_also_drops() -> None:
    cfg = SMALL.replace(
        aa_layer="blur", drop_block_rate=0.2, block_kwargs=BlockArgs(extra_conv=True)
    )
    for options in ({}, {**ATTENDS}):
        block = tv.create_model(cfg.replace(**options), device="meta").get_submodule("stages.1.0")
        assert isinstance(block.conv2_kxk, FilteredConv)
        assert isinstance(block.conv2_kxk.drop, DropBlock2d)


def test_a_stem_is_a_level_where_the_first_stage_has_another_resolution() -> None:
    backbone = tv.create_backbone(SMALL.replace(strides=(2, 2), stem_type="quad"), seed=0)
    assert [level.name for level in backbone.levels[1:]] == ["stem", "stages.0", "final_conv"]
    maps = backbone(torch.zeros(2, 3, 32, 32))
    assert [tuple(one.shape[1:]) for one in maps] == [
        (level.channels, 32 // level.stride, 32 // level.stride) for level in backbone.levels
    ]


@pytest.mark.parametrize("size", [4, (12, 32)])
def test_an_image_is_not_smaller_than_the_stride(size: int | tuple[int, int]) -> None:
    with pytest.raises(tv.ConfigError, match="at least 32, the stride of the last map"):
        tv.configure("resnet50_clip_gap", img_size=size)
