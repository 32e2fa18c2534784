"""What serving asks of every family: it can be counted and exported."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import typedvision as tv
from tests.contract.conftest import image_size
from typedvision.config.base import ModelConfig
from typedvision.weights.inspect import SPEC_KEY


@pytest.fixture
def model(small: ModelConfig) -> tv.ImageModel:
    return tv.create_model(tv.specify(small), seed=0)


def test_its_levels_make_the_whole(small: ModelConfig) -> None:
    bare = tv.create_model(tv.specify(small), device="meta").eval().requires_grad_(False)
    height, width = image_size(small)
    with FlopCounterMode(display=False) as counter:
        bare(torch.empty(1, small.in_chans, height, width, device="meta"))
    summary = tv.summarize(small, (height, width))
    assert summary.multiply_adds == counter.get_total_flops() / 2
    assert summary.parameters == sum(parameter.numel() for parameter in bare.parameters())
    features = small.features()
    *before, last = summary.levels
    assert len(before) - len(features) in (0, 1)  # a stem, where the levels come after one
    for level, feature in zip(before[-len(features) :], features, strict=True):
        steps = (-(-height // feature.stride), -(-width // feature.stride))
        assert (level.name, level.channels, level.size) == (feature.name, feature.channels, steps)
    assert (last.name, last.size) == ("head", None)
    assert before[0].multiply_adds > 0
    assert before[0].parameters > 0


def test_it_is_exported_for_any_number_of_images(model: tv.ImageModel, tmp_path: Path) -> None:
    path, size = tmp_path / "model.pt2", image_size(model.spec.config)
    report = tv.export_model(model, path, format="pt2", img_size=size)
    assert report.difference is not None
    assert report.difference < 1e-5
    assert model.training
    notes = {SPEC_KEY: ""}
    program = torch.export.load(path, extra_files=notes).module()
    spec = tv.ModelSpec.from_json(notes[SPEC_KEY])
    assert spec.config == model.spec.config
    assert spec.image.size == size
    images = torch.rand(5, model.spec.config.in_chans, *size)
    with torch.no_grad():
        torch.testing.assert_close(program(images), model.eval()(images))
