"""Backbones of every family: the model's own levels, and nothing past the last of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import typedvision as tv
from tests.contract.conftest import image_size, of_each_base
from tests.contract.facts import COMPUTED, model_type
from tests.contract.models import backbone_of, fresh, images, same, shared
from typedvision.config.base import ModelConfig
from typedvision.registry.family import within

SIDE_BY_SIDE = {"crossvit", "hrnet"}
"""Families whose branches are computed together, also those that no wanted level sees."""


RESIZABLE = [family for family in COMPUTED if hasattr(model_type(family), "set_input_size")]
"""Families whose models take another input size after they were built."""


@pytest.fixture(params=["first", "last"])
def level(request: pytest.FixtureRequest, small: ModelConfig) -> int:
    """A level of the small model."""
    count = len(small.features())
    return {"first": 0, "last": count - 1}[request.param]


@of_each_base
def test_its_spec_says_what_comes_out(small: ModelConfig) -> None:
    levels = small.features()
    middle = len(levels) // 2
    spec = tv.BackboneSpec(model=tv.specify(small), out_indices=(middle, 0))
    backbone = tv.create_backbone(tv.BackboneSpec.from_json(spec.to_json()), device="meta")
    assert backbone.spec == spec
    assert backbone.levels == (levels[middle], levels[0])
    assert spec.channels == (levels[middle].channels, levels[0].channels)
    assert spec.strides == (levels[middle].stride, levels[0].stride)


@of_each_base
@torch.inference_mode()
def test_levels_come_in_the_order_that_was_asked_for(small: ModelConfig) -> None:
    last = len(small.features()) - 1
    first_to_last, last_to_first = backbone_of(small, 0, -1), backbone_of(small, -1, 0)
    assert last_to_first.out_indices == (last, 0)
    assert last_to_first.names == first_to_last.names[::-1]
    x = images(small)
    for one, other in zip(last_to_first(x), first_to_last(x)[::-1], strict=True):
        same(one, other)


@of_each_base
@torch.inference_mode()
def test_levels_have_the_layout_that_was_asked_for(small: ModelConfig) -> None:
    x = images(small)
    (plain,) = backbone_of(small, 0)(x)
    (last,) = backbone_of(small, 0, output_fmt="NHWC")(x)
    (tokens,) = backbone_of(small, 0, output_fmt="NLC")(x)
    same(last, plain.permute(0, 2, 3, 1))
    same(tokens, plain.flatten(2).transpose(1, 2))


@of_each_base
def test_what_it_keeps_is_needed(small: ModelConfig, level: int) -> None:
    backbone, model = backbone_of(small, level).train(), shared(small)
    backbone(images(small))[0].square().mean().backward()
    if tv.specify(small).family not in SIDE_BY_SIDE:
        for key, parameter in backbone.model.named_parameters():
            assert parameter.grad is not None, key
    kept, whole = backbone.model.state_dict(), model.state_dict()
    assert list(kept) == [key for key in whole if key in kept]
    gone = [key for key in whole if key not in kept]
    assert gone
    assert all(within(key, backbone.left_out) for key in gone)


@of_each_base
def test_a_seed_gives_the_models_weights(small: ModelConfig) -> None:
    wanted = fresh(small).state_dict()
    backbone = tv.create_backbone(small, out_indices=(0,), seed=0)
    for key, tensor in backbone.model.state_dict().items():
        assert torch.equal(tensor, wanted[key]), key


@of_each_base
def test_the_models_weights_load_into_it(small: ModelConfig, level: int, tmp_path: Path) -> None:
    model, path = fresh(small), tmp_path / "model.safetensors"
    tv.save_model(model, path)
    backbone = tv.create_backbone(small, out_indices=(level,), checkpoint_path=path)
    kept, whole = backbone.model.state_dict(), model.state_dict()
    assert all(torch.equal(tensor, whole[key]) for key, tensor in kept.items())
    report = backbone.load_report
    assert report is not None
    assert set(report.matched) == set(kept)
    assert set(report.dropped) == set(whole) - set(kept)
    assert set(report.dropped.values()) == {"past the last level"}


@of_each_base
def test_a_file_alone_gives_it_back(small: ModelConfig, tmp_path: Path) -> None:
    backbone, path = backbone_of(small, -1, 0, output_fmt="NHWC"), tmp_path / "backbone.safetensors"
    tv.save_model(backbone, path)
    loaded = tv.load_backbone(path, verify=True).eval()
    assert loaded.spec == backbone.spec
    x = images(small)
    for one, other in zip(loaded(x), backbone(x), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("family", RESIZABLE, ids=lambda family: family.key)
def test_another_input_size_is_in_the_spec(small: ModelConfig) -> None:
    backbone = backbone_of(small, -1)
    size = (image_size(small)[0] * 2, image_size(small)[1])
    backbone.model.set_input_size(size)
    assert backbone.spec.model.config.model_dump()["img_size"] == size
    stride = backbone.strides[0]
    (output,) = backbone(torch.zeros(1, small.in_chans, *size, dtype=torch.float64))
    assert output.shape[2:] == (size[0] // stride, size[1] // stride)
    assert tv.create_backbone(backbone.spec, device="meta").spec == backbone.spec
