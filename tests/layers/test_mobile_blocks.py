"""The blocks of mobile networks, made of a plan and a style, without the config of a network."""

from __future__ import annotations

import pytest
import torch
import torch.fx
from torch import nn

from typedvision.config.mobile.plans import (
    AttentionPlan,
    BlockPlan,
    BlockStyle,
    ResidualPlan,
    UniversalPlan,
)
from typedvision.config.mobile.squeeze_excite import SqueezeExcite
from typedvision.config.names import Activation
from typedvision.layers.init import default_initializers, initialize
from typedvision.layers.mobile_blocks import mobile_block

SILU: Activation = "silu"
PLANS: list[BlockPlan] = [
    ResidualPlan(kind="conv", in_channels=8, mid_channels=12, out_channels=12, group_size=0,
                 stride=2, act_layer=SILU),
    ResidualPlan(kind="separable", in_channels=8, mid_channels=8, out_channels=8, se_channels=2,
                 act_layer="relu", pw_act=True, skip=True, drop_path_rate=0.5),
    ResidualPlan(kind="separable", in_channels=8, mid_channels=32, out_channels=16, kernels=(2,),
                 folds=True, act_layer=SILU),
    ResidualPlan(kind="mbconv", in_channels=8, mid_channels=24, out_channels=8, dilation=2,
                 group_size=4, se_channels=4, act_layer=SILU, skip=True),
    ResidualPlan(kind="mbconv", in_channels=8, mid_channels=24, out_channels=12, kernels=(3, 5, 7),
                 stride=2, exp_splits=2, pw_splits=2, act_layer="relu"),
    ResidualPlan(kind="mbconv", in_channels=8, mid_channels=24, out_channels=8, num_experts=3,
                 se_channels=4, act_layer=SILU, skip=True),
    ResidualPlan(kind="fused_mbconv", in_channels=8, mid_channels=24, out_channels=12,
                 group_size=0, stride=2, se_channels=4, act_layer=SILU),
    UniversalPlan(in_channels=8, mid_channels=24, out_channels=12, kernel_start=5, kernel_mid=3,
                  kernel_end=3, stride=2, se_channels=4, act_layer="relu"),
    UniversalPlan(in_channels=8, mid_channels=24, out_channels=8, kernel_start=0, kernel_mid=0,
                  kernel_end=0, act_layer="relu", layer_scale=0.1, skip=True),
    AttentionPlan(kind="mqa", in_channels=8, out_channels=8, num_heads=2, key_dim=4, value_dim=3,
                  kv_stride=2, layer_scale=0.1, skip=True),
    AttentionPlan(kind="mha", in_channels=8, out_channels=12, num_heads=2, key_dim=4, value_dim=4),
]  # fmt: skip
STYLES = [
    BlockStyle(),
    BlockStyle(pad_type="same", norm_eps=1e-3, se_layer="eca"),
    BlockStyle(norm_layer="groupnorm", norm_group_size=4, aa_layer="avg", se_layer="ceca"),
    BlockStyle(norm_layer="layernorm2d", aa_layer="blur", se_layer="se"),
    BlockStyle(
        norm_layer="rmsnorm2d",
        aa_layer="blurpc",
        se_layer=SqueezeExcite(gate_layer="hard_sigmoid", force_act_layer="relu"),
    ),
]


def made(plan: BlockPlan, style: BlockStyle) -> nn.Module:
    block = mobile_block(plan, style)
    initialize(block, 0, lambda _, module: default_initializers(module))
    return block


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("plan", PLANS)
def test_a_block_trains_and_can_be_traced(plan: BlockPlan, style: BlockStyle) -> None:
    assert list(plan.conflicts()) == []
    block = made(plan, style).train()
    torch.manual_seed(0)
    x = torch.randn(2, 8, 12, 10)
    y = block(x)
    halves = isinstance(plan, ResidualPlan) and plan.folds
    step = 1 if isinstance(plan, AttentionPlan) else plan.stride * (2 if halves else 1)
    assert y.shape == (2, plan.out_channels, 12 // step, 10 // step)
    y.square().sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())
    block.eval()
    torch.testing.assert_close(torch.fx.symbolic_trace(block)(x), block(x))


def test_a_batch_norm_is_followed_by_its_activation() -> None:
    block = made(PLANS[3], STYLES[0])
    names = [name for name, _ in block.named_children()]
    assert type(block.get_submodule("bn1")) is nn.BatchNorm2d
    assert type(block.get_submodule("act1")) is nn.SiLU
    assert names.index("act1") == names.index("bn1") + 1
