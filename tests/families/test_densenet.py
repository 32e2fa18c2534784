"""What is particular to DenseNet."""

from __future__ import annotations

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
        ((2,), [(16, 2, "features.norm0"), (32, 4, "features.norm5")]),
        (
            (2, 3),
            [
                (16, 2, "features.norm0"),
                (32, 4, "features.denseblock1"),
                (40, 8, "features.norm5"),
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


def test_checkpointing_recomputes_each_layer() -> None:
    model, calls = densenet(SMALL).train(), 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    model.get_submodule("features.denseblock2.denselayer1.conv1").register_forward_hook(count)
    for enable, expected in ((True, 2), (False, 1)):
        calls = 0
        model.set_grad_checkpointing(enable)
        model(torch.randn(2, 3, 32, 32)).sum().backward()
        assert calls == expected
