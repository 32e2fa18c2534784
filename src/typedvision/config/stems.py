"""Convolutions between an image and the patches of a hybrid Vision Transformer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidatorFunctionWrapHandler, WrapValidator

from typedvision.config.base import Channels, Config, Depth, Eps, Ratio
from typedvision.config.names import Activation
from typedvision.config.problems import Conflict

StageDepths = Annotated[tuple[Depth, ...], Field(max_length=4)]
Strides = Annotated[
    tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=8)
]


class BiTStem(Config):
    """The first stages of Big Transfer's residual network (https://arxiv.org/abs/1912.11370), with
    a normalisation after each convolution, as in ViT's hybrids (https://arxiv.org/abs/2010.11929,
    section 3.1)."""

    kind: Literal["bit"] = "bit"
    """Which stem this is."""
    layers: StageDepths = ()
    """Number of blocks of each stage; the first keeps the resolution of the stem, others halve it.
    None for the stem alone."""
    width: Channels = 64
    """Channels of the stem, a multiple of 32; the first stage has four times as many, each other
    twice those of the last."""
    conv_eps: Eps = 1e-8
    """Added to the variance of standardised weights."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: channels with groups."""
        if self.width % 32:
            yield Conflict(f"'width' must be a multiple of 32; got {self.width}", "width")

    @property
    def channels(self) -> int | None:
        """Channels of the map; None where these are the features of the tokens."""
        return _widest(self.width, self.layers)

    @property
    def reduction(self) -> int:
        """Input pixels for each position of the map."""
        return _reduction(self.layers)

    @property
    def first_conv(self) -> str:
        """Path of its first convolution."""
        return "stem.conv" if self.layers else "conv"


class ResNetStem(Config):
    """The first stages of ResNet-D (https://arxiv.org/abs/1812.01187)."""

    kind: Literal["resnet_d"] = "resnet_d"
    """Which stem this is."""
    layers: StageDepths = (2, 2, 2, 2)
    """Number of blocks of each stage; the first keeps the resolution of the stem, others halve it.
    None for the stem alone."""
    width: Channels = 64
    """Channels of the stem, an even number; the first stage has four times as many, each other
    twice those of the last."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: channels with their half."""
        if self.width % 2:
            yield Conflict(f"'width' must be even; got {self.width}", "width")

    @property
    def channels(self) -> int | None:
        """Channels of the map; None where these are the features of the tokens."""
        return _widest(self.width, self.layers)

    @property
    def reduction(self) -> int:
        """Input pixels for each position of the map."""
        return _reduction(self.layers)

    @property
    def first_conv(self) -> str:
        """Path of its first convolution."""
        return "conv1.0"


class ConvStem(Config):
    """Convolutions without overlap (MobileCLIP, https://arxiv.org/abs/2311.17049); the last makes
    the features of the tokens."""

    kind: Literal["conv"] = "conv"
    """Which stem this is."""
    width: Channels = 192
    """Channels of each convolution but the last."""
    strides: Strides = (4, 2, 2)
    """Stride of each convolution, and side of its kernel."""
    act_layer: Activation = "gelu"
    """Activation behind each convolution but the last."""

    @property
    def channels(self) -> int | None:
        """Channels of the map; None where these are the features of the tokens."""
        return None

    @property
    def reduction(self) -> int:
        """Input pixels for each position of the map."""
        return math.prod(self.strides)

    @property
    def first_conv(self) -> str:
        """Path of its first convolution."""
        return "0.conv"


class MBConvStem(Config):
    """Stages of inverted residual blocks (ViTamin, https://arxiv.org/abs/2404.02132, section 4.1),
    and a convolution that makes the features of the tokens."""

    kind: Literal["mbconv"] = "mbconv"
    """Which stem this is."""
    layers: Annotated[tuple[Depth, ...], Field(min_length=1, max_length=4)] = (2, 4)
    """Number of blocks of each stage, whose first halves the resolution."""
    width: Channels = 64
    """Channels of the first stage, and of the two convolutions before; each stage doubles them."""
    expand_ratio: Ratio = 4.0
    """Channels inside of a block, for each of its output."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together: channels with their share."""
        if int(self.width * self.expand_ratio) < 1:
            yield Conflict(
                f"'expand_ratio' {self.expand_ratio} must leave a block a channel; 'width' is "
                f"{self.width}",
                "expand_ratio",
            )

    @property
    def channels(self) -> int | None:
        """Channels of the map; None where these are the features of the tokens."""
        return None

    @property
    def reduction(self) -> int:
        """Input pixels for each position of the map."""
        return 4 << len(self.layers)

    @property
    def first_conv(self) -> str:
        """Path of its first convolution."""
        return "stem.conv1"


class _AnyKind(Config):
    """What to say of a stem that is of no kind."""

    model_config = ConfigDict(extra="ignore")

    kind: Literal["bit", "resnet_d", "conv", "mbconv"]


_STEMS: dict[str, type[Config]] = {
    "bit": BiTStem,
    "resnet_d": ResNetStem,
    "conv": ConvStem,
    "mbconv": MBConvStem,
}


def _by_kind(stem: object, union: ValidatorFunctionWrapHandler) -> object:
    """What is written as data is of the class that its kind says, and so are its errors."""
    if isinstance(stem, Config):
        return union(stem)
    kind = stem.get("kind") if isinstance(stem, Mapping) else None
    known = _STEMS.get(kind) if isinstance(kind, str) else None
    return (known or _AnyKind).model_validate(stem)


Stem = Annotated[BiTStem | ResNetStem | ConvStem | MBConvStem, WrapValidator(_by_kind)]
"""One of the stems, which `kind` names."""


def _widest(width: int, layers: tuple[int, ...]) -> int:
    return 2 * width << len(layers) if layers else width


def _reduction(layers: tuple[int, ...]) -> int:
    return 4 << max(len(layers) - 1, 0)
