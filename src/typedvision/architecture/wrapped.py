"""Models inside of what training wraps around them."""

from __future__ import annotations

import re
from typing import TypeAlias

from torch import nn
from torch.nn import DataParallel
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from typedvision.architecture.backbone import Backbone
from typedvision.architecture.image_model import ImageModel

Wrapper: TypeAlias = "DataParallel[nn.Module] | DistributedDataParallel | AveragedModel"
Wrapped: TypeAlias = ImageModel | Backbone[ImageModel] | Wrapper
"""A model or a backbone, as it is or inside of a wrapper of PyTorch."""

COMPILED = "_orig_mod"
"""Where `torch.compile` keeps the module that it was given."""
_INSIDE = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_checkpoint_wrapped_module)\.")
"""What wrappers around a module inside of the model add to its keys."""


def unwrapped(model: object) -> object:
    """The module inside of `torch.compile`, `DistributedDataParallel`, `DataParallel` and
    `AveragedModel`, however they are nested; anything else as it is."""
    while True:
        if isinstance(model, nn.Module) and COMPILED in model._modules:
            model = model._modules[COMPILED]
        elif isinstance(model, DataParallel | DistributedDataParallel | AveragedModel):
            model = model.module
        else:
            return model


def plain_key(key: str) -> str:
    """The key of a tensor without the wrappers of `torch.compile` and of activation
    checkpointing that stand around modules of the model."""
    return _INSIDE.sub("", key)
