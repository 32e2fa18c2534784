"""From a spec to a skeleton, within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typedvision.config.limits import Limits
from typedvision.errors import LimitError, Problem
from typedvision.registry import index
from typedvision.registry.spec import ModelSpec

if TYPE_CHECKING:
    from typedvision.layers.image_model import ImageModel


def build_skeleton(spec: ModelSpec, limits: Limits) -> ImageModel:
    """The model that a spec describes, on the meta device: no memory is taken.

    Raises:
        LimitError: the model is larger than `limits`.
    """
    from typedvision.layers.image_model import ImageModel, describe  # the wall: torch begins here

    model = index.family(spec.family).build(spec.config)
    assert isinstance(model, ImageModel)  # the sealed build saw to it
    count = sum(parameter.numel() for parameter in model.parameters())
    if count > limits.params:
        name = spec.variant or spec.family
        message = f"must be at most {limits.params:,}; '{name}' has {count:,}"
        problem = Problem(("params",), "range", message, count)
        raise LimitError(f"'{name}' is larger than the limits allow", [problem])
    describe(model, spec)
    return model
