"""Stages and blocks are modules that are called, so that hooks fire and wrappers work."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import typedvision as tv
from tests.contract.conftest import takes_seconds
from tests.contract.models import filled, images, same
from typedvision.config.base import ModelConfig


@torch.inference_mode()
def test_hooks_fire_on_every_stage_and_sequence(small: ModelConfig) -> None:
    model, ran = filled(small), set()
    # Where the features join several levels, each stage is called, and not the row of them.
    rows = {level.name.rpartition(".")[0] for level in model.feature_info if model.joins_levels}
    wanted = {level.name for level in model.feature_info} | {
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.Sequential) and path not in rows
    }
    for path in wanted:
        module = model.get_submodule(path)
        module.register_forward_hook(lambda *_, path=path: ran.add(path))
    model(images(small))
    assert sorted(wanted - ran) == []


@takes_seconds
@pytest.mark.parametrize("level", [0, -1])
@torch.inference_mode()
def test_a_compiled_stage_computes_the_same(small: ModelConfig, level: int) -> None:
    torch.compiler.reset()
    model, x = filled(small), images(small)
    wanted = model(x)
    path = model.feature_info[level].name
    stage = torch.compile(model.get_submodule(path), fullgraph=True, backend="eager")
    assert isinstance(stage, torch.nn.Module)
    model.set_submodule(path, stage)
    ran: list[int] = []
    stage.register_forward_hook(lambda *_: ran.append(1))
    same(model(x), wanted)
    assert ran, f"{path} is not called"
    assert model.spec == tv.specify(small)
