"""What is particular to ResNet and its descendants."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.resnet.config import BlockArgs, PrunedStage, ResNetConfig

PRUNED = ResNetConfig(
    block="bottleneck",
    layers=(2, 1, 1, 1),
    channels=(32, 64, 128, 512),
    zero_init_last=False,
    block_args=BlockArgs(attn_layer="eca"),
    pruned=(
        PrunedStage(out_channels=9, widths=((5, 3), (4, 6))),
        PrunedStage(out_channels=10, widths=((7, 8),)),
        PrunedStage(out_channels=11, widths=((7, 8),)),
        PrunedStage(out_channels=12, widths=((7, 8),)),
    ),
)
PLAIN = PRUNED.replace(pruned=None)
NARROW = ResNetConfig(block="bottleneck", layers=(1, 1, 1, 1), channels=(16, 16, 16, 16))

CONFLICTS = [
    (PRUNED, {"layers": (3, 1, 1, 1)}, "pruned"),
    (PRUNED, {"block": ("bottleneck", "bottleneck", "bottleneck", "basic")}, "pruned"),
    (PRUNED, {"cardinality": 2}, "pruned"),
    (PRUNED, {"base_width": 128}, "pruned"),
    (PRUNED, {"block_reduce_first": 2}, "pruned"),
    (PRUNED, {"zero_init_last": True}, "zero_init_last"),
    (PRUNED, {"block_args": {"attn_layer": "se"}}, "block_args"),
    (PRUNED, {"norm_layer": "groupnorm"}, "norm_layer"),
    (PLAIN, {"norm_layer": "groupnorm", "channels": (32, 64, 80, 512)}, "norm_layer"),
    (PLAIN, {"norm_layer": "simplenorm2d", "channels": (1, 2, 4, 8)}, "norm_layer"),
    (PLAIN, {"stem_type": "deep_tiered", "stem_width": 3}, "stem_width"),
    (PLAIN, {"global_pool": ""}, "global_pool"),
    (PLAIN, {"down_kernel_size": 2}, "down_kernel_size"),
    (PLAIN, {"cardinality": 2, "base_width": 1}, "channels"),
    (PLAIN, {"block_reduce_first": 4, "base_width": 2}, "channels"),
    (PLAIN, {"block": "basic", "channels": (3, 8, 8, 8), "block_reduce_first": 4}, "channels"),
    (PLAIN, {"cardinality": 4, "base_width": 6, "block_reduce_first": 4}, "block_reduce_first"),
    (PLAIN, {"channels": (33, 64, 128, 512), "block_args": {"attn_layer": "halo"}}, "block_args"),
    (
        PLAIN,
        {"block": "basic", "channels": (9, 8, 8, 8), "block_args": {"attn_layer": "sk"}},
        "block_args",
    ),
    (NARROW, {"block_args": {"scale": 2}}, "scale"),
    (NARROW, {"block_args": {"radix": 2}}, "radix"),
    (NARROW, {"block": "resnest", "block_args": {"attn_layer": "se"}}, "attn_layer"),
    (NARROW, {"block": "resnest", "block_args": {"radix": 3}}, "radix"),
    (NARROW, {"block": "resnest", "cardinality": 3}, "cardinality"),
    (NARROW, {"block": "resnest", "drop_block_rate": 0.1}, "drop_block_rate"),
    (NARROW, {"block": "bottle2neck", "aa_layer": "blur"}, "aa_layer"),
    (NARROW, {"block": "bottle2neck", "block_reduce_first": 2}, "block_reduce_first"),
    (NARROW, {"block": "sk_bottleneck", "norm_layer": "groupnorm1"}, "norm_layer"),
    (
        NARROW.replace(block="sk_bottleneck"),
        {"cardinality": 16, "base_width": 4, "block_args": {"sk_kwargs": {"rd_divisor": 4}}},
        "split_input",
    ),
]


@pytest.mark.parametrize(("cfg", "options", "field"), CONFLICTS)
def test_options_that_cannot_go_together(
    cfg: ResNetConfig, options: dict[str, object], field: str
) -> None:
    assert f"'{field}'" in conflict(cfg, options)


def test_a_pruned_block_has_the_channels_that_are_left() -> None:
    model = tv.create_model(PRUNED, device="meta")
    convs = [model.get_submodule(f"layer1.1.conv{number}") for number in (1, 2, 3)]
    assert [tuple(conv.weight.shape[:2]) for conv in convs] == [(4, 9), (6, 4), (9, 6)]
    assert model.num_features == 12
    assert [level.channels for level in model.feature_info] == [64, 9, 10, 11, 12]


def test_pruning_keeps_the_attention_of_the_whole_block() -> None:
    # Equation 12 of ECA gives 2048 channels a kernel of 7, and 12 channels one of 3.
    model = tv.create_model(PRUNED, device="meta")
    assert model.get_submodule("layer4.0.se.conv").kernel_size == (7,)


def test_a_pruned_network_is_initialised_as_pytorchs_layers_are() -> None:
    model = tv.create_model(PRUNED, seed=0)
    conv, norm = model.get_submodule("layer4.0.conv2"), model.get_submodule("layer4.0.bn3")
    assert isinstance(conv, nn.Conv2d)
    assert conv.weight.abs().max() <= (7 * 9) ** -0.5  # uniform, by the fan-in
    assert norm.weight.equal(torch.ones(12))


def test_a_document_from_before_pruning_still_means_the_same() -> None:
    document = tv.specify("resnet18").to_dict()
    assert document["config"].pop("pruned") is None
    assert tv.ModelSpec.from_dict(document) == tv.specify("resnet18")


@pytest.mark.parametrize("name", ["ese", "eca", "ceca", "lambda", "halo"])
def test_an_attention_without_channels_inside_takes_no_ratio(name: str) -> None:
    with pytest.raises(tv.ConfigError) as caught:
        tv.configure("resnet18", block_args={"attn_layer": name, "rd_ratio": 0.25})
    (problem,) = caught.value.problems
    assert (problem.path, problem.kind) == (("block_args", "rd_ratio"), "conflict")


@pytest.mark.parametrize(
    ("name", "side"), [("sk", 5), ("splat", 5), ("nl", 5), ("lambda", 5), ("bat", 14), ("halo", 16)]
)
def test_attention_over_the_map_exports(name: str, side: int) -> None:
    options = {"channels": (8, 8, 8, 8), "output_stride": 8, "block_args": {"attn_layer": name}}
    model = tv.create_model("resnet18", layers=(1, 1, 1, 1), seed=0, **options)
    block = model.get_submodule("layer2").eval()
    x = torch.randn(2, 8, side, side)
    batch = {0: torch.export.Dim("batch", min=2, max=8)}
    program = torch.export.export(block, (x,), dynamic_shapes=(batch,))
    torch.testing.assert_close(program.module()(x.flip(0)), block(x.flip(0)))


@pytest.mark.parametrize("pool", ["avg", "catavgmax"])
def test_the_classifier_sees_what_pooling_gives(pool: str) -> None:
    model = tv.create_model(PLAIN.replace(global_pool=pool), device="meta")
    model.reset_classifier(3)
    assert model.head_hidden_size == model.get_classifier().weight.shape[1]


@pytest.mark.parametrize(("scale", "convs"), [(1, 1), (2, 1), (5, 4)])
def test_a_hierarchy_leaves_one_part_as_it_is(scale: int, convs: int) -> None:
    cfg = NARROW.replace(block="bottle2neck", block_args={"scale": scale})
    model = tv.create_model(cfg, device="meta")
    assert len(list(model.get_submodule("layer1.0.convs").children())) == convs
    assert model.get_parameter("layer1.0.conv3.weight").shape[1] == 16 * scale


def test_a_hierarchy_has_one_activation() -> None:
    cfg = NARROW.replace(block="bottle2neck", act_layer="prelu", layers=(1, 1, 1, 1))
    keys = tv.create_model(cfg, device="meta").state_dict()
    activations = ["act1.weight", *(f"layer{stage}.0.relu.weight" for stage in (1, 2, 3, 4))]
    assert [key for key in keys if "act" in key or "relu" in key] == activations
