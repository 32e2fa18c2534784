"""What is particular to MobileNetV3 and V4: their blocks and their head."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import typedvision as tv
from tests.conflicts import conflict
from typedvision.config.mobile.rows import AttentionBlocks, Blocks, UniversalBlocks
from typedvision.config.mobile.squeeze_excite import SqueezeExcite
from typedvision.families.mobilenetv3.config import MobileNetV3Config
from typedvision.families.mobilenetv3.model import MobileNetV3
from typedvision.layers.mobile_attention import Attention2d, MultiQueryAttention2d

SMALL = MobileNetV3Config(
    block_args=(
        Blocks(block="conv", stride=2, out_chs=24),
        (
            UniversalBlocks(kernel_size_start=3, kernel_size_mid=5, stride=2, out_chs=16),
            UniversalBlocks(kernel_size_mid=0, kernel_size_end=3, exp_ratio=2, out_chs=16),
        ),
        UniversalBlocks(kernel_size_start=5, kernel_size_mid=0, stride=2, out_chs=24, repeats=2),
    ),
    num_classes=10,
    in_chans=1,
    stem_size=8,
    num_features=32,
)


def mobilenet(cfg: MobileNetV3Config) -> MobileNetV3:
    model = tv.create_model(cfg, dtype=torch.float64, seed=0)
    assert isinstance(model, MobileNetV3)
    return model.eval()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


ROWS = [
    ({"block": "uib", "kernel_size_mid": 4}, ("kernel_size_mid",)),
    ({"block": "uib", "kernel_size_mid": 0, "kernel_size_end": 3, "stride": 2}, ("stride",)),
    ({"block": "uib", "group_size": 3}, ()),
    ({"block": "uib", "kernel_size_start": 3, "kernel_size_mid": 0, "group_size": 3}, ()),
    ({"block": "mqa", "kernel_size": 5}, ("kernel_size",)),
    ({"block": "mqa", "kernel_size": 4, "kv_stride": 2}, ("kernel_size",)),
    ({"block": "mha", "key_dim": 16}, ("key_dim",)),
    ({"block": "mha", "num_heads": 3}, ()),
    ({"block": "pruned_mbconv", "mid_chs": 8, "kernel_size": 2}, ("kernel_size",)),
]


@pytest.mark.parametrize(("row", "place"), ROWS)
def test_rows_that_cannot_be(row: dict[str, object], place: tuple[str, ...]) -> None:
    with pytest.raises(tv.ConfigError) as caught:
        SMALL.replace(block_args=[{"out_chs": 16, **row}])
    assert {problem.kind for problem in caught.value.problems} == {"conflict"}
    first = ("block_args", 0, *place) if place else ("block_args",)
    assert first in [problem.path for problem in caught.value.problems]


SUBSAMPLED = (AttentionBlocks(out_chs=8, kv_stride=2),)
OPTIONS = [
    ({"head_norm": True}, "head_bias"),
    (
        {"block_args": (Blocks(block="mbconv", out_chs=8),), "layer_scale_init_value": 0.1},
        "layer_scale_init_value",
    ),
    ({"block_args": SUBSAMPLED, "norm_layer": "evonorms0", "norm_group_size": 8}, "norm_layer"),
    (
        {
            "head_norm": True,
            "head_bias": False,
            "norm_layer": "groupnorm",
            "norm_group_size": 8,
            "num_features": 36,
        },
        "norm_group_size",
    ),
]


@pytest.mark.parametrize(("options", "field"), OPTIONS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


WRONG = [
    ([{"block": "uibb", "out_chs": 8}], ("block_args", 0, "block"), ("uib",)),
    ([[{"block": "mqa", "out_chs": 8, "num_head": 2}]], ("block_args", 0, 0, "num_head"),
     ("num_heads",)),
    ([3], ("block_args", 0), ()),
    ([{"out_chs": 8}], ("block_args", 0, "block"), ()),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "path", "suggestions"), WRONG)
def test_a_wrong_row_is_told_where_it_is_wrong(
    rows: object, path: tuple[str | int, ...], suggestions: tuple[str, ...]
) -> None:
    with pytest.raises(tv.ConfigError) as caught:
        SMALL.replace(block_args=rows)
    (problem,) = caught.value.problems
    assert (problem.path, problem.suggestions) == (path, suggestions)


def test_a_universal_block_with_one_depthwise_convolution_is_an_inverted_residual() -> None:
    def first_block(row: Blocks | UniversalBlocks) -> nn.Module:
        model = mobilenet(SMALL.replace(block_args=[row], act_layer="silu"))
        return model.get_submodule("blocks.0.0")

    universal = first_block(UniversalBlocks(exp_ratio=3, out_chs=16, se_ratio=0.25, stride=2))
    usual = first_block(Blocks(block="mbconv", exp_ratio=3, out_chs=16, se_ratio=0.25, stride=2))
    values = universal.state_dict().values()
    usual.load_state_dict(dict(zip(usual.state_dict(), values, strict=True)))
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)
    torch.testing.assert_close(universal(x), usual(x))


def attention(row: AttentionBlocks) -> nn.Module:
    tail = Blocks(block="conv", out_chs=8)
    return mobilenet(SMALL.replace(block_args=[[row, tail]])).get_submodule("blocks.0.0.attn")


def attended(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """One head of one image: queries (k, H, W), keys (k, h, w), values (v, h, w)."""
    weights = torch.softmax(q.flatten(1).T @ k.flatten(1) / q.shape[0] ** 0.5, dim=-1)
    return (weights @ v.flatten(1).T).T.reshape(-1, *q.shape[1:])


@pytest.mark.parametrize("kv_stride", [1, 2])
def test_queries_share_keys_and_values(kv_stride: int) -> None:
    layer = attention(
        AttentionBlocks(out_chs=12, num_heads=3, key_dim=4, value_dim=5, kv_stride=kv_stride)
    )
    assert isinstance(layer, MultiQueryAttention2d)
    x = torch.randn(1, 8, 6, 4, dtype=torch.float64)
    q, k, v = layer.query(x)[0], layer.key(x)[0], layer.value(x)[0]
    assert k.shape == (4, 6 // kv_stride, 4 // kv_stride)
    heads = [attended(part, k, v) for part in q.split(4)]
    torch.testing.assert_close(layer(x), layer.output(torch.cat(heads)[None]))


def test_heads_attend_on_their_own() -> None:
    layer = attention(AttentionBlocks(block="mha", out_chs=12, num_heads=2))
    assert isinstance(layer, Attention2d)
    x = torch.randn(1, 8, 6, 4, dtype=torch.float64)
    q, k, v = layer.qkv(x)[0].split(8)
    heads = [attended(*parts) for parts in zip(q.split(4), k.split(4), v.split(4), strict=True)]
    torch.testing.assert_close(layer(x), layer.proj(torch.cat(heads)[None]))


@pytest.mark.parametrize("output_stride", [2, 4, 8])
def test_dilation_sees_what_striding_sees(output_stride: int) -> None:
    strided = mobilenet(SMALL)
    dilated = mobilenet(SMALL.replace(output_stride=output_stride))
    x = torch.randn(1, 1, 64, 64, dtype=torch.float64)
    step = 16 // output_stride
    torch.testing.assert_close(
        dilated.forward_features(x)[..., ::step, ::step], strided.forward_features(x)
    )


def test_squeezing_counts_from_what_it_is_told() -> None:
    block = Blocks(block="mbconv", exp_ratio=4, out_chs=16, se_ratio=0.3)

    def squeezed(**options: object) -> int:
        model = mobilenet(SMALL.replace(block_args=[block], **options))
        return model.get_parameter("blocks.0.0.se.conv_reduce.bias").numel()

    assert squeezed() == 10  # of 32 channels
    assert squeezed(se_from_exp=False) == 2
    assert squeezed(se_layer=SqueezeExcite(rd_divisor=8)) == 16
    assert squeezed(se_layer=SqueezeExcite(rd_divisor=8, rd_round_limit=0.0)) == 8


def test_branches_are_scaled_at_first() -> None:
    model = mobilenet(SMALL.replace(layer_scale_init_value=0.5))
    scales = [value for key, value in model.named_parameters() if key.endswith("gamma")]
    assert [len(scale) for scale in scales] == [16, 16, 24, 24]
    assert all((scale == 0.5).all() for scale in scales)


def test_the_head_convolves_what_was_pooled() -> None:
    pooled = mobilenet(SMALL)
    unpooled = mobilenet(SMALL.replace(global_pool="", num_classes=0))
    x = torch.randn(2, 24, 3, 3, dtype=torch.float64)
    mean = x.mean((2, 3), keepdim=True)
    expected = unpooled.forward_head(mean)[..., 0, 0]
    torch.testing.assert_close(pooled.forward_head(x, pre_logits=True), expected)
    assert unpooled.forward_head(x).shape == (2, 32, 3, 3)


def test_another_width_of_the_pooled_reinitialises_the_head() -> None:
    model = mobilenet(SMALL)
    learned = model.conv_head
    model.reset_classifier(3, "max")
    assert model.conv_head is learned
    model.reset_classifier(3, "catavgmax", seed=0)
    assert model.conv_head.in_channels == 48
    assert model.conv_head.weight.std().item() == pytest.approx((2 / 32) ** 0.5, rel=0.1)
    assert model(torch.randn(1, 1, 32, 32, dtype=torch.float64)).shape == (1, 3)
