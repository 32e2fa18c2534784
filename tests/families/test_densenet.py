"""What is particular to DenseNet."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.densenet.config import DenseNetConfig
from typedvision.families.densenet.model import DenseBlock, DenseNet

SMALL = DenseNetConfig(growth_rate=8, block_config=(2, 3), num_classes=5)

CONFLICTS = [
    ({"stem_type": "deep_tiered", "growth_rate": 3}, "growth_rate"),
    ({"aa_stem_only": False}, "aa_stem_only"),
    ({"norm_layer": "groupnorm"}, "norm_layer"),
    ({"norm_layer": "evonorms0", "growth_rate": 48}, "norm_layer"),
    ({"global_pool": ""}, "global_pool"),
]


def densenet(cfg: DenseNetConfig) -> DenseNet:
    model = tv.create_model(cfg, seed=0)
    assert isinstance(model, DenseNet)
    return model


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_cannot_go_together(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


@pytest.mark.parametrize(
    ("block_config", "levels"),
    [
        ((2,), [(16, 2, "features.act0"), (32, 4, "features.act5")]),
        (
            (2, 3),
            [
                (16, 2, "features.act0"),
                (32, 4, "features.denseblock1"),
                (40, 8, "features.act5"),
            ],
        ),
    ],
)
def test_levels_of_any_number_of_blocks(
    block_config: tuple[int, ...], levels: list[tuple[int, int, str]]
) -> None:
    found = SMALL.replace(block_config=block_config).features()
    assert [(level.channels, level.stride, level.name) for level in found] == levels


@pytest.mark.parametrize("aa_stem_only", [True, False])
def test_the_filter_stays_in_the_stem_or_not(aa_stem_only: bool) -> None:
    model = densenet(SMALL.replace(aa_layer="blur", aa_stem_only=aa_stem_only))
    blurs = [path for path, module in model.named_modules() if hasattr(module, "filt")]
    transitions = [] if aa_stem_only else ["features.transition1.pool"]
    assert blurs == ["features.pool0.1", *transitions]


def test_a_constant_padding_darkens_the_edge() -> None:
    x = torch.ones(1, 16, 8, 8)
    blur, blurpc = (
        densenet(SMALL.replace(aa_layer=name)).get_submodule("features.pool0")(x)
        for name in ("blur", "blurpc")
    )
    assert blur.allclose(torch.ones(()))
    assert blurpc[..., 0, 0].allclose(torch.tensor(9 / 16))


def test_layers_drop_what_they_add_and_nothing_else() -> None:
    block = densenet(SMALL.replace(proj_drop_rate=1.0)).get_submodule("features.denseblock1")
    assert isinstance(block, DenseBlock)
    x = torch.randn(2, 16, 4, 4)
    y = block.train()(x)
    assert y[:, :16].equal(x)
    assert not y[:, 16:].any()
    assert block.eval()(x)[:, 16:].any()


def test_checkpointing_recomputes_the_bottleneck_of_each_layer() -> None:
    model, calls = densenet(SMALL).train(), Counter[str]()
    layer = model.get_submodule("features.denseblock2.denselayer1")
    for name, child in layer.named_children():
        child.register_forward_pre_hook(lambda *_, name=name: calls.update([name]))
    for enable in (True, False):
        calls.clear()
        model.set_grad_checkpointing(enable)
        model(torch.randn(2, 3, 32, 32)).sum().backward()
        recomputed = {name for name, count in calls.items() if count == 2}
        assert recomputed == ({"norm1", "act1", "conv1"} if enable else set())
        assert calls.keys() == {"norm1", "act1", "conv1", "norm2", "act2", "conv2", "drop"}


def test_seven_blocks_leave_nothing_of_a_map() -> None:
    with pytest.raises(tv.ConfigError) as caught:
        SMALL.replace(block_config=(1,) * 7)
    (problem,) = caught.value.problems
    assert (problem.path, problem.kind) == (("block_config",), "length")
    deepest = densenet(SMALL.replace(block_config=(1,) * 6)).eval()
    assert deepest.forward_features(torch.randn(1, 3, 224, 224)).shape[2:] == (1, 1)
