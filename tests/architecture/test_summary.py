from __future__ import annotations

import pytest
from torch.utils.flop_counter import FlopCounterMode

import typedvision as tv


@pytest.mark.parametrize(
    ("name", "parameters", "billions"),
    [
        ("resnet50", 25_557_032, 4.09),
        ("vit_base_patch16_224", 86_567_656, 17.56),  # the products of attention included
        ("efficientnet_b0", 5_288_548, 0.39),
    ],
)
def test_the_sums_are_the_published_ones(name: str, parameters: int, billions: float) -> None:
    summary = tv.summarize(name)
    assert summary.parameters == parameters
    assert summary.multiply_adds / 1e9 == pytest.approx(billions, abs=0.005)


def test_a_level_holds_what_is_registered_up_to_its_module() -> None:
    model = tv.create_model("resnet50", device="meta")
    levels = {level.name: level for level in tv.summarize(model).levels}
    assert list(levels) == ["act1", "layer1", "layer2", "layer3", "layer4", "head"]
    assert levels["act1"].parameters == 64 * 3 * 7 * 7 + 2 * 64
    assert levels["act1"].multiply_adds == 64 * 3 * 7 * 7 * 112 * 112
    for name in ("layer1", "layer4"):
        inside = sum(parameter.numel() for parameter in model.get_submodule(name).parameters())
        assert levels[name].parameters == inside
    assert (levels["layer4"].size, levels["layer4"].channels) == ((7, 7), 2048)
    assert (levels["head"].size, levels["head"].channels) == (None, 1000)
    assert levels["head"].parameters == 2048 * 1000 + 1000
    assert levels["head"].multiply_adds == 2048 * 1000


def test_what_stands_before_the_blocks_is_a_stem() -> None:
    stem, *_ = tv.summarize("test_vit").levels
    assert (stem.name, stem.size, stem.channels) == ("stem", (10, 10), 64)
    assert stem.parameters == (3 * 16 * 16 + 1) * 64 + 64 + 101 * 64  # patches, token, positions
    assert stem.multiply_adds == 100 * 3 * 16 * 16 * 64


def test_equal_neighbours_fold_into_one_row() -> None:
    summary = tv.summarize("test_vit")
    stem, blocks, head = summary.folded()
    assert (stem.name, blocks.name, head.name) == ("stem", "blocks.0-5", "head")
    assert (stem.repeats, blocks.repeats) == (1, 6)
    assert blocks.parameters == sum(level.parameters for level in summary.levels[1:-1])
    assert sum(level.multiply_adds for level in summary.folded()) == summary.multiply_adds
    assert len(tv.summarize("resnet18").folded()) == 6  # no two are equal


def test_another_size_of_image() -> None:
    small, large = tv.summarize("resnet18", 128), tv.summarize("resnet18", (256, 128))
    assert small.parameters == large.parameters
    assert large.levels[-2].size == (8, 4)
    assert large.levels[1].multiply_adds == 2 * small.levels[1].multiply_adds
    positions = tv.summarize("test_vit", 320)  # its table follows
    assert positions.levels[0].size == (20, 20)
    assert positions.spec.image.size == (320, 320)


def test_a_model_stays_as_it_is() -> None:
    model = tv.create_model("test_resnet", num_classes=0)
    weight = next(model.parameters())
    summary = tv.summarize(model)
    assert summary.spec is model.spec
    assert summary.levels[-1].parameters == 0
    assert model.training
    assert next(model.parameters()) is weight
    assert weight.requires_grad
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_it_is_data() -> None:
    document = tv.summarize("test_vit").to_dict()
    assert document["img_size"] == [160, 160]
    assert document["parameters"] == 371_240
    levels = document["levels"]
    assert isinstance(levels, list)
    assert [level["name"] for level in levels[:2]] == ["stem", "blocks.0"]


def test_a_image_that_the_model_cannot_see() -> None:
    with pytest.raises(tv.ConfigError, match="img_size"):
        tv.summarize("test_vit", -1)
    with pytest.raises(tv.ConfigError, match="size"):
        tv.summarize("resnet18", 0)
    with pytest.raises(tv.UsageError, match="'resnetblur18' cannot see 1 x 1 pixels: "):
        tv.summarize("resnetblur18", 1)
    with pytest.raises(tv.UnknownNameError):
        tv.summarize("resnet5O")


def test_the_counter_counts_two_for_a_multiply_add() -> None:
    """Should PyTorch's counter change, this says so before the published numbers do."""
    import torch

    with FlopCounterMode(display=False) as counter:
        torch.nn.Linear(3, 5, device="meta")(torch.empty(1, 3, device="meta"))
    assert counter.get_total_flops() == 2 * 3 * 5
