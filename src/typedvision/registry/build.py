"""From a spec to a skeleton, within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typedvision.config.limits import Limits
from typedvision.errors import LimitError, Problem, UsageError, shown
from typedvision.registry import index
from typedvision.registry.backbone import BackboneSpec
from typedvision.registry.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from typedvision.backbone import Backbone
    from typedvision.layers.image_model import ImageModel


def build_skeleton(spec: ModelSpec, limits: Limits) -> ImageModel:
    """The model that a spec describes, on the meta device: no memory is taken.

    Raises:
        LimitError: the model is larger than `limits`.
    """
    model = _built(spec)
    _check_size(model, spec.subject, limits)
    return model


def build_backbone(spec: BackboneSpec, limits: Limits) -> Backbone[ImageModel]:
    """The backbone that a spec describes, on the meta device: no memory is taken.

    Raises:
        LimitError: what is kept of the model is larger than `limits`.
    """
    from typedvision.backbone import Backbone

    backbone = Backbone(_built(spec.model), spec)
    _check_size(backbone, spec.model.subject, limits)
    return backbone


def _built(spec: ModelSpec) -> ImageModel:
    from typedvision.layers.image_model import ImageModel, describe  # the wall: torch begins here

    model = index.family(spec.family).build(spec.config)
    assert isinstance(model, ImageModel)  # the sealed build saw to it
    describe(model, spec)
    return model


def _check_size(module: nn.Module, name: str, limits: Limits) -> None:
    if not isinstance(limits, Limits):
        raise UsageError(f"limits are written Limits(params=...); got {shown(limits)}")
    count = sum(parameter.numel() for parameter in module.parameters())
    if count > limits.params:
        message = f"must be at most {limits.params:,}; '{name}' has {count:,}"
        problem = Problem(("params",), "range", message, count)
        raise LimitError(f"'{name}' is larger than the limits allow", [problem])
