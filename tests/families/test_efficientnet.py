"""What is particular to EfficientNet and its relatives."""

from __future__ import annotations

import pytest
import torch
import torch.fx
import torch.nn.functional as F

import typedvision as tv
from tests.conflicts import conflict
from typedvision.config.mobile.rows import Blocks, PrunedBlock
from typedvision.families.efficientnet.config import EfficientNetConfig
from typedvision.families.efficientnet.model import EfficientNet
from typedvision.layers.cond_conv import CondConv2d
from typedvision.layers.conv import conv2d
from typedvision.layers.mixed_conv import MixedConv2d
from typedvision.layers.norm_act import norm_act

SMALL = EfficientNetConfig(
    block_args=(
        Blocks(block="separable", out_chs=8, se_ratio=0.25),
        Blocks(block="fused_mbconv", stride=2, exp_ratio=4, out_chs=16),
        (
            Blocks(block="mbconv", stride=2, exp_ratio=4, out_chs=24, se_ratio=0.25),
            Blocks(block="mbconv", kernel_size=5, exp_ratio=2, out_chs=24, se_ratio=0.25),
        ),
    ),
    num_classes=10,
    in_chans=1,
    stem_size=8,
    num_features=64,
    act_layer="silu",
)
PLAIN = SMALL.replace(
    block_args=(
        Blocks(block="conv", out_chs=8),
        Blocks(block="fused_mbconv", stride=2, exp_ratio=2, out_chs=16, repeats=2),
        Blocks(block="mbconv", stride=2, exp_ratio=2, out_chs=24, kernel_size=5, repeats=2),
        Blocks(block="mbconv", stride=2, exp_ratio=2, out_chs=32, repeats=2),
    )
)


def efficientnet(cfg: EfficientNetConfig) -> EfficientNet:
    model = tv.create_model(cfg, dtype=torch.float64, seed=0)
    assert isinstance(model, EfficientNet)
    return model.eval()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


CONFLICTS = [
    ({"block": "conv", "exp_ratio": 4.0}, ("exp_ratio",)),
    ({"block": "conv", "se_ratio": 0.25}, ("se_ratio",)),
    ({"block": "fused_mbconv", "num_experts": 4}, ("num_experts",)),
    ({"block": "fused_mbconv", "kernel_size": [3, 5]}, ("kernel_size",)),
    ({"block": "mbconv", "pw_act": True}, ("pw_act",)),
    ({"block": "mbconv", "kernel_size": 4}, ("kernel_size",)),
    ({"block": "mbconv", "num_experts": 4, "exp_splits": 2}, ("num_experts",)),
    ({"block": "mbconv", "kernel_size": [3, 5], "group_size": 4}, ("group_size",)),
    ({"block": "separable", "s2d": True, "stride": 2}, ("s2d",)),
    ({"block": "mbconv", "group_size": 7}, ()),
]


@pytest.mark.parametrize(("block", "place"), CONFLICTS)
def test_blocks_that_cannot_be(block: dict[str, object], place: tuple[str, ...]) -> None:
    with pytest.raises(tv.ConfigError) as caught:
        SMALL.replace(block_args=[{"out_chs": 16, **block}])
    assert {problem.kind for problem in caught.value.problems} == {"conflict"}
    first = ("block_args", 0, *place) if place else ("block_args",)
    assert first in [problem.path for problem in caught.value.problems]


OPTIONS = [
    ({"global_pool": ""}, "global_pool"),
    ({"stem_kernel_size": 4}, "stem_kernel_size"),
    ({"norm_group_size": 8}, "norm_group_size"),
    ({"norm_layer": "groupnorm"}, "norm_group_size"),
    ({"norm_layer": "evonorms0", "norm_group_size": 16}, "norm_group_size"),
    ({"block_args": (Blocks(block="mbconv", out_chs=8, repeats=256),) * 9}, "depth_multiplier"),
    (
        {"block_args": (Blocks(block="mbconv", out_chs=8, num_experts=2),), "aa_layer": "avg"},
        "aa_layer",
    ),
    (
        {"block_args": (Blocks(block="separable", out_chs=8, s2d=True),), "output_stride": 2},
        "output_stride",
    ),
]


@pytest.mark.parametrize(("options", "field"), OPTIONS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


def test_one_row_is_a_stage_however_it_is_written() -> None:
    row = {"block": "mbconv", "out_chs": 16}
    short, long = SMALL.replace(block_args=[row]), SMALL.replace(block_args=[[row]])
    assert short == long
    assert short.block_args == (Blocks(block="mbconv", out_chs=16),)


def test_compound_scaling() -> None:
    plan = tv.configure("efficientnet_b4").plan()  # type: ignore[attr-defined]
    assert plan.stem_channels == 48
    assert [stage.channels for stage in plan.stages] == [24, 32, 56, 112, 160, 272, 448]
    assert [len(stage.blocks) for stage in plan.stages] == [2, 4, 4, 6, 6, 8, 2]


def test_the_last_row_of_a_stage_grows() -> None:
    def depths(**options: object) -> list[list[int]]:
        model = efficientnet(SMALL.replace(**options))
        return [
            [
                module.kernel_size[0]
                for path, module in stage.named_modules()
                if path.endswith(("conv_dw", "conv_exp")) and isinstance(module, torch.nn.Conv2d)
            ]
            for stage in model.blocks
        ]

    assert depths() == [[3], [3], [3, 5]]
    assert depths(depth_multiplier=1.3) == [[3, 3], [3, 3], [3, 5, 5]]
    assert depths(depth_multiplier=1.3, depth_trunc="round") == [[3], [3], [3, 5, 5]]
    assert depths(depth_multiplier=1.3, fix_first_last=True) == [[3], [3, 3], [3, 5]]
    assert depths(depth_multiplier=0.1) == [[3], [3], [3, 5]]


def test_pruned_blocks_are_what_they_say_they_are() -> None:
    rows = (
        PrunedBlock(stride=2, mid_chs=13, out_chs=7, se_chs=3),
        PrunedBlock(mid_chs=11, out_chs=7),
    )
    model = efficientnet(SMALL.replace(block_args=(rows,), channel_multiplier=2.0))
    shapes = {key: tuple(value.shape[:2]) for key, value in model.named_parameters()}
    assert shapes["blocks.0.0.conv_pw.weight"] == (13, 16)
    assert shapes["blocks.0.0.se.conv_reduce.weight"] == (3, 13)
    assert shapes["blocks.0.1.conv_pwl.weight"] == (7, 11)
    assert "blocks.0.1.se.conv_reduce.weight" not in shapes
    x = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    _, (_, pruned) = model.forward_intermediates(x)
    assert pruned.shape == (1, 7, 4, 4)


def test_paths_drop_more_often_with_depth() -> None:
    blocks = SMALL.replace(drop_path_rate=0.4).plan().blocks()
    assert [block.drop_path_rate for block in blocks] == pytest.approx([0.0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("size", [33, 64])
@pytest.mark.parametrize("output_stride", [2, 4, 8])
def test_dilation_sees_what_striding_sees(output_stride: int, size: int) -> None:
    strided = efficientnet(PLAIN)
    dilated = efficientnet(PLAIN.replace(output_stride=output_stride))
    x = torch.randn(1, 1, size, size, dtype=torch.float64)
    step = 16 // output_stride
    torch.testing.assert_close(
        dilated.forward_features(x)[..., ::step, ::step], strided.forward_features(x)
    )
    assert [level.stride for level in dilated.feature_info] == [
        min(stride, output_stride) for stride in (2, 4, 8, 16)
    ]


def test_levels_are_the_last_maps_of_their_resolution() -> None:
    model = efficientnet(SMALL)
    _, maps = model.forward_intermediates(torch.randn(1, 1, 32, 32, dtype=torch.float64))
    for level, found in zip(model.feature_info, maps, strict=True):
        assert found.shape == (1, level.channels, 32 // level.stride, 32 // level.stride)
    folded = (Blocks(block="separable", out_chs=8, s2d=True), *SMALL.block_args[1:])
    levels = SMALL.replace(block_args=folded).features()
    assert [(level.channels, level.stride, level.name) for level in levels] == [
        (8, 2, "act1"), (32, 4, "blocks.0"), (16, 8, "blocks.1"), (24, 16, "blocks.2"),
    ]  # fmt: skip


def test_every_module_on_the_way_is_called() -> None:
    model = efficientnet(SMALL)
    called: list[str] = []
    for path in ("bn1", "act1", "blocks", "blocks.2", "blocks.2.1", "blocks.2.1.act2"):
        model.get_submodule(path).register_forward_hook(lambda *_, path=path: called.append(path))
    model(torch.randn(1, 1, 32, 32, dtype=torch.float64))
    assert called == ["bn1", "act1", "blocks.2.1.act2", "blocks.2.1", "blocks.2", "blocks"]


def test_a_stage_can_be_replaced_by_its_compiled_self() -> None:
    model = efficientnet(SMALL)
    x = torch.randn(1, 1, 32, 32, dtype=torch.float64)
    expected = model(x)
    model.blocks[1] = torch.compile(model.blocks[1], backend="eager")
    torch.testing.assert_close(model(x), expected)


def test_normalisations_are_pytorchs_own() -> None:
    named = efficientnet(SMALL).named_modules()
    norms = {type(module) for path, module in named if path.rpartition(".")[2].startswith("bn")}
    assert norms == {torch.nn.BatchNorm2d, torch.nn.Identity}


@pytest.mark.parametrize("pad_type", ["", "same"])
def test_a_traced_graph_takes_any_size(pad_type: str) -> None:
    model = efficientnet(SMALL.replace(pad_type=pad_type))
    graph = torch.fx.symbolic_trace(model)
    for size in (32, 45):
        x = torch.randn(2, 1, size, size, dtype=torch.float64)
        torch.testing.assert_close(graph(x), model(x))


@pytest.mark.parametrize("size", [7, 8, 9])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 2, 1), (5, 2, 1), (1, 2, 1), (2, 1, 1), (3, 1, 2)]
)
def test_same_padding(size: int, kernel: int, stride: int, dilation: int) -> None:
    conv = conv2d(1, 1, kernel, stride=stride, dilation=dilation, pad_type="same")
    x = torch.randn(1, 1, size, size + 3)
    found = conv(x)
    assert found.shape == (1, 1, -(-size // stride), -(-(size + 3) // stride))
    reach = dilation * (kernel - 1) + 1
    lines = [max((-(-n // stride) - 1) * stride + reach - n, 0) for n in (size + 3, size)]
    pads = [pad for line in lines for pad in (line // 2, line - line // 2)]
    expected = F.conv2d(F.pad(x, pads), conv.weight, stride=stride, dilation=dilation)
    torch.testing.assert_close(found, expected)


def test_each_image_has_its_own_mixture_of_kernels() -> None:
    layer = CondConv2d(3, 4, 6, 3, stride=2, groups=2)
    torch.nn.init.normal_(layer.weight)
    x, routing = torch.randn(2, 4, 7, 7), torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 2.0]])
    kernels = layer.weight.reshape(3, 6, 2, 3, 3)
    mixtures = (kernels[1], 0.5 * kernels[0] + 2.0 * kernels[2])
    for image, mixture, found in zip(x, mixtures, layer(x, routing), strict=True):
        expected = F.conv2d(image[None], mixture, stride=2, padding=1, groups=2)
        torch.testing.assert_close(found[None], expected)


def test_mixed_kernels_share_the_channels() -> None:
    mixed = Blocks(block="mbconv", out_chs=8, exp_ratio=2, kernel_size=(3, 5, 7), exp_splits=2)
    model = efficientnet(SMALL.replace(block_args=(mixed,)))
    conv = model.get_submodule("blocks.0.0.conv_dw")
    assert isinstance(conv, MixedConv2d)
    assert conv.shares == [6, 5, 5]
    x = torch.randn(1, 16, 9, 9, dtype=torch.float64)
    y = conv(x)
    torch.testing.assert_close(y[:, :6], conv[0](x[:, :6]))
    torch.testing.assert_close(y[:, 11:], conv[2](x[:, 11:]))


def test_evonorm_divides_by_the_deviation_of_the_group() -> None:
    norm, _ = norm_act("evonorms0", 8, "silu", group_size=4)
    norm.load_state_dict({"weight": torch.ones(8), "bias": torch.zeros(8), "v": torch.ones(8)})
    x = torch.randn(2, 8, 5, 5)
    deviation = x[0, 4:].std(correction=0)
    torch.testing.assert_close(norm(x)[0, 4:], F.silu(x[0, 4:]) / deviation, rtol=1e-4, atol=1e-4)


def test_a_small_one_learns_small_images() -> None:
    model = tv.create_model(SMALL, seed=0)
    x, labels = torch.rand(40, 1, 8, 8), torch.arange(10).repeat(4)
    x[torch.arange(40), 0, labels % 8, labels // 2] += 4.0
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(20):
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5


def test_circular_channel_attention_has_a_bias() -> None:
    attention = tv.create_model("efficientnet_b0", se_layer="ceca", seed=0).get_submodule(
        "blocks.1.0.se"
    )
    x = torch.randn(1, 96, 4, 4)
    means = x.mean((2, 3))
    kernel, bias = attention.conv.weight[0, 0], attention.conv.bias
    around = torch.stack([means.roll(shift, dims=1) for shift in (1, 0, -1)], dim=-1)
    gate = (around @ kernel + bias).sigmoid()
    torch.testing.assert_close(attention(x), x * gate[:, :, None, None])
