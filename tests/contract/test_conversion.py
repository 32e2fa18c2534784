"""What tools do with a model's modules: convert them."""

from __future__ import annotations

import torch
from torch import nn

from tests.contract.conftest import of_each_base
from tests.contract.models import filled, images
from typedvision.config.base import ModelConfig


@of_each_base
@torch.inference_mode()
def test_synchronised_normalisations_compute_what_the_others_do(small: ModelConfig) -> None:
    model, x = filled(small), images(small)
    wanted = model(x)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(model).eval()
    left = [path for path, one in converted.named_modules() if isinstance(one, nn.BatchNorm2d)]
    assert left == []
    torch.testing.assert_close(converted(x), wanted)
