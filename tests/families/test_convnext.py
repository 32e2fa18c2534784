"""What is particular to ConvNeXt."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.convnext.config import ConvNeXtConfig
from typedvision.families.convnext.model import ConvNeXt

SMALL = ConvNeXtConfig(depths=(1, 2, 1, 1), dims=(8, 16, 24, 32), num_classes=5, in_chans=1)


def convnext(**options: object) -> ConvNeXt:
    model = tv.create_model(SMALL.replace(**options), dtype=torch.float64, seed=0)
    assert isinstance(model, ConvNeXt)
    return model.eval()


def image() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 1, 64, 64, generator=generator, dtype=torch.float64)


CONFLICTS = [
    ({"kernel_sizes": 4}, "kernel_sizes"),
    ({"kernel_sizes": (3, 5, 7, 8)}, "kernel_sizes"),
    ({"stem_type": "overlap", "patch_size": 2}, "patch_size"),
    ({"norm_layer": "batchnorm2d", "norm_eps": 1e-3}, "norm_eps"),
    ({"norm_layer": "groupnorm"}, "norm_layer"),
    ({"norm_layer": "simplenorm", "dims": (8, 1, 24, 32)}, "norm_layer"),
    ({"head_norm_first": True, "head_hidden_size": 8}, "head_hidden_size"),
    ({"global_pool": "catavgmax"}, "global_pool"),
]


@pytest.mark.parametrize(("options", "field"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], field: str) -> None:
    assert f"'{field}'" in conflict(SMALL, options)


STRIDES = [
    ({}, (4, 8, 16, 32), (1, 1, 1, 1)),
    ({"output_stride": 16}, (4, 8, 16, 16), (1, 1, 1, 2)),
    ({"output_stride": 8}, (4, 8, 8, 8), (1, 1, 2, 4)),
    ({"patch_size": 2}, (4, 8, 16, 32), (1, 1, 1, 1)),
    ({"patch_size": 3, "output_stride": 8}, (3, 6, 12, 12), (1, 1, 1, 2)),
    ({"patch_size": 8}, (8, 16, 32, 32), (1, 1, 1, 2)),
    ({"patch_size": 1}, (1, 2, 4, 8), (1, 1, 1, 1)),
    ({"stem_type": "overlap"}, (4, 8, 16, 32), (1, 1, 1, 1)),
]


@pytest.mark.parametrize(("options", "strides", "dilations"), STRIDES)
def test_a_stage_subsamples_or_dilates(
    options: dict[str, object], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> None:
    stages = SMALL.replace(**options).plan().stages
    assert tuple(stage.reduction for stage in stages) == strides
    assert tuple(stage.dilation for stage in stages) == dilations
    model = convnext(**options)
    _, maps = model.forward_intermediates(image())
    assert tuple(64 // level.shape[-1] for level in maps) == strides


def test_a_tiered_stem_has_half_the_channels_first() -> None:
    stem = convnext(stem_type="overlap_tiered", dims=(40, 16, 24, 32)).stem
    assert [conv.out_channels for conv in stem[:2]] == [24, 40]


@pytest.mark.parametrize(
    ("short", "name"),
    [("layernorm", "layernorm2d"), ("rmsnorm", "rmsnorm2d"), ("simplenorm", "simplenorm2d")],
)
def test_normalisations_of_tokens_mean_those_of_maps(short: str, name: str) -> None:
    one, other = convnext(norm_layer=short), convnext(norm_layer=name)
    assert torch.equal(one(image()), other(image()))


def test_the_heads_initial_weights_have_a_factor() -> None:
    whole, small = (convnext(head_hidden_size=8, head_init_scale=scale) for scale in (1.0, 0.1))
    for key, tensor in whole.state_dict().items():
        scale = 0.1 if key in ("head.pre_logits.fc.weight", "head.fc.weight") else 1.0
        torch.testing.assert_close(small.state_dict()[key], scale * tensor)


def test_only_the_last_level_has_a_normalisation() -> None:
    model = convnext(head_norm_first=True)
    plain, normal = (
        model.forward_intermediates(image(), norm=norm, intermediates_only=True)
        for norm in (False, True)
    )
    assert [torch.equal(a, b) for a, b in zip(plain, normal, strict=True)] == [True] * 3 + [False]
    assert torch.equal(normal[-1], model.forward_features(image()))


def test_logits_of_each_position_come_from_the_same_weights() -> None:
    pooled = convnext(head_norm_first=True)
    dense = convnext(head_norm_first=True, global_pool="")
    logits = dense(image())
    assert logits.shape == (2, 5, 2, 2)
    torch.testing.assert_close(logits.mean((2, 3)), pooled(image()))
