"""Models inside of what training wraps around them."""

from __future__ import annotations

import re
from typing import TypeAlias

from torch import nn
from torch.nn import DataParallel
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from typedvision.architecture.backbone import Backbone
from typedvision.architecture.image_model import ImageModel, check_whole
from typedvision.errors import UsageError

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


def model_or_backbone(found: object, caller: str) -> ImageModel | Backbone[ImageModel]:
    """What `unwrapped` found, if the factory made it.

    Raises:
        UsageError: it is something else; `caller` is who was given it.
    """
    if not isinstance(found, ImageModel | Backbone):
        kind = type(found).__name__
        raise UsageError(f"{caller} takes what create_model or create_backbone made; got {kind}")
    return found


def body_of(model: ImageModel | Backbone[ImageModel]) -> ImageModel:
    """The model that a backbone computes with; a model itself."""
    return model.model if isinstance(model, Backbone) else model


def whole_model(found: object, caller: str) -> ImageModel:
    """What `unwrapped` found, if it is a model with its head.

    Raises:
        UsageError: it is something else, or the model of a backbone; `caller` is who was given it.
    """
    if not isinstance(found, ImageModel):
        kind = type(found).__name__
        raise UsageError(f"{caller} takes a model that create_model made; got {kind}")
    check_whole(found)
    return found


def plain_key(key: str) -> str:
    """The key of a tensor without the wrappers of `torch.compile` and of activation
    checkpointing that stand around modules of the model."""
    return _INSIDE.sub("", key)
