"""What tools do with a model's modules: call them, watch them, convert them."""

from __future__ import annotations

from collections import Counter

import torch
from torch import nn

from tests.contract.models import filled, images
from typedvision.config.base import ModelConfig


@torch.inference_mode()
def test_synchronised_normalisations_compute_what_the_others_do(small: ModelConfig) -> None:
    model, x = filled(small), images(small)
    wanted = model(x)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(model).eval()
    left = [path for path, one in converted.named_modules() if isinstance(one, nn.BatchNorm2d)]
    assert left == []
    torch.testing.assert_close(converted(x), wanted)


@torch.inference_mode()
def test_every_sequence_of_layers_is_called(small: ModelConfig) -> None:
    model, calls = filled(small), Counter[str]()
    # Where the features join several levels, each stage is called, and not the row of them.
    rows = {level.name.rpartition(".")[0] for level in model.feature_info if model.joins_levels}
    sequences = [
        path
        for path, one in model.named_modules()
        if isinstance(one, nn.Sequential) and path not in rows
    ]
    for path in sequences:
        model.get_submodule(path).register_forward_hook(lambda *_, path=path: calls.update([path]))
    model(images(small))
    assert [path for path in sequences if not calls[path]] == []
