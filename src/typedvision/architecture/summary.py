"""Parameters and multiply-adds of a model, level by level, counted on the meta device."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from dataclasses import dataclass
from itertools import groupby, zip_longest

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from typedvision.architecture.build import build_model
from typedvision.architecture.image_model import ImageModel
from typedvision.architecture.wrapped import Wrapper, unwrapped
from typedvision.config.base import ModelConfig, to_pair
from typedvision.config.limits import DEFAULT_LIMITS
from typedvision.errors import UsageError
from typedvision.registry.spec import ModelSpec, spec_for


@dataclass(frozen=True, slots=True)
class LevelSummary:
    """One level of a model: its output and its cost."""

    name: str
    """Path of the module that ends the level, `"layer4"`; or `"stem"` or `"head"`."""
    size: tuple[int, int] | None
    """Height and width of the output map; None for the head, whose output is a vector."""
    channels: int
    """Number of channels of the output map, or length of the output vector."""
    parameters: int
    """Number of parameters."""
    multiply_adds: int
    """Multiply-adds for one image."""
    repeats: int = 1
    """Number of equal levels that this row sums up, parameters and multiply-adds included."""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model's levels from the input to the output, and their sums."""

    spec: ModelSpec
    """The spec of the model, with the size of image that was counted."""
    levels: tuple[LevelSummary, ...]
    """The stem, where there are modules before the first feature level; the levels; the head."""

    @property
    def parameters(self) -> int:
        """Number of parameters of the model."""
        return sum(level.parameters for level in self.levels)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the model for one image."""
        return sum(level.multiply_adds for level in self.levels)

    def folded(self) -> tuple[LevelSummary, ...]:
        """The levels, with equal neighbours as one row: `blocks.0-11`."""
        return tuple(_joined(list(equals)) for _, equals in groupby(self.levels, key=_kind))

    def to_dict(self) -> dict[str, object]:
        """The numbers as JSON-ready data."""
        return {
            "img_size": list(self.spec.image.size),
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "levels": [dataclasses.asdict(level) for level in self.levels],
        }


def summarize(
    model: str | ModelConfig | ModelSpec | ImageModel | Wrapper,
    img_size: int | tuple[int, int] | None = None,
) -> ModelSummary:
    """Count a model's parameters and multiply-adds, level by level.

    Multiply-adds are those of convolutions, linear layers and products of matrices, those inside
    attention included. Papers call them FLOPs or MACs; PyTorch's `FlopCounterMode` counts two for
    each. Normalisation, activation, pooling and sums are not counted. A new model is built from
    the spec on the meta device: no memory is taken, and a model that is given stays as it is.

    A level's parameters are those registered after the level before it, up to the end of the module
    that its name says; its multiply-adds are those that are computed between the two.

    Args:
        model: a name, a config, a spec, or a model.
        img_size: height and width of the image; by default what the spec says.

    Raises:
        UnknownNameError: no family publishes the name.
        ConfigError: the model cannot be of this size.
        UsageError: the model does not take images of this size.
        LimitError: the model is larger than the default limits.
    """
    found = unwrapped(model)
    spec = found.spec if isinstance(found, ImageModel) else spec_for(found, {})
    spec = spec if img_size is None else at_size(spec, img_size)
    built = build_model(spec, DEFAULT_LIMITS).eval().requires_grad_(False)
    try:
        rows = _computed(built, spec.image.size)
    except RuntimeError as error:
        height, width = spec.image.size
        reason, _, _ = str(error).partition("\n")
        raise UsageError(
            f"'{spec.subject}' cannot see {height} x {width} pixels: {reason}"
        ) from None
    counts = _registered(built)[-len(rows) :]  # without the stem, where there is none
    levels = tuple(
        dataclasses.replace(row, parameters=count) for row, count in zip(rows, counts, strict=True)
    )
    return ModelSummary(spec, levels if levels[0].parameters else levels[1:])


def at_size(spec: ModelSpec, img_size: int | tuple[int, int]) -> ModelSpec:
    """Change the size of the images in a spec, and `img_size` where the config has it.

    Raises:
        ConfigError: the model cannot be of this size.
    """
    if "img_size" in type(spec.config).model_fields:
        spec = spec.with_options(img_size=img_size)
    return spec.replace(image=spec.image.replace(size=to_pair(img_size)))


def _computed(model: ImageModel, pixels: tuple[int, int]) -> list[LevelSummary]:
    """Run the model: the outputs and multiply-adds of stem, levels and head; parameters are 0."""
    rows: list[LevelSummary] = []

    def new_multiply_adds() -> int:
        flops: int = counter.get_total_flops()
        return flops // 2 - sum(row.multiply_adds for row in rows)

    def add(name: str, output: Tensor) -> None:
        _, channels, height, width = model._map(output, pixels).shape
        rows.append(LevelSummary(name, (height, width), channels, 0, new_multiply_adds()))

    def add_stem(module: nn.Module, inputs: tuple[Tensor | tuple[Tensor, ...], ...]) -> None:
        if not rows:
            (first, *_) = inputs
            add("stem", first if isinstance(first, Tensor) else first[0])

    trunk = _trunk(model)
    for module in model.get_submodule(trunk).modules() if trunk else ():
        module.register_forward_pre_hook(add_stem)
    x = torch.empty(1, model.spec.config.in_chans, *pixels, device="meta")
    with FlopCounterMode(display=False) as counter:
        outputs = []
        for level, output in zip_longest(model.feature_info, model._levels(x)):
            outputs.append(output)
            if level is not None:  # a model may offer fewer levels than it has, or none
                add(level.name, output)
        model.forward_head(model._joined(outputs))
        channels = model.num_classes or model.head_hidden_size
        rows.append(LevelSummary("head", None, channels, 0, new_multiply_adds()))
    return rows


def _registered(model: ImageModel) -> list[int]:
    """Count the parameters of the stem, of each level and of the head."""
    places = {path: place for place, (path, _) in enumerate(model.named_modules())}
    ends = [places[_trunk(model)] - 1]
    for level in model.feature_info:
        inside = len(list(model.get_submodule(level.name).modules()))
        ends.append(places[level.name] + inside - 1)
    counts = [0] * (len(ends) + 1)
    for key, parameter in model.named_parameters():
        place = places[key.rpartition(".")[0]]
        counts[bisect_left(ends, place)] += parameter.numel()
    return counts


def _trunk(model: ImageModel) -> str:
    """Path of the module that holds the first level, `"blocks"`; empty if the model itself does."""
    first = model.feature_info[0].name if model.feature_info else ""
    return first.rpartition(".")[0]


def _kind(level: LevelSummary) -> tuple[object, ...]:
    """What equal levels have in common: everything but the number at the end of the name."""
    stem = level.name.rstrip("0123456789")
    return stem, level.size, level.channels, level.parameters, level.multiply_adds


def _joined(equals: list[LevelSummary]) -> LevelSummary:
    first, *others = equals
    if not others:
        return first
    prefix = first.name.rstrip("0123456789")
    return LevelSummary(
        name=f"{first.name}-{others[-1].name.removeprefix(prefix)}",
        size=first.size,
        channels=first.channels,
        parameters=sum(level.parameters for level in equals),
        multiply_adds=sum(level.multiply_adds for level in equals),
        repeats=len(equals),
    )
