"""What a model expects of its input picture."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from typedvision.config.base import Config, Pixels

Interpolation = Literal["bicubic", "bilinear"]
CropMode = Literal["center", "squash", "border"]
_Value = Annotated[float, Field(ge=-1e6, le=1e6)]
_Deviation = Annotated[float, Field(gt=0.0, le=1e6)]
_MaxChannels = 1_024


class ImageSpec(Config):
    """Size and value range of the input, and how a picture is brought there."""

    size: tuple[Pixels, Pixels] = (224, 224)
    """Height and width of the input in pixels."""
    mean: Annotated[tuple[_Value, ...], Field(min_length=1, max_length=_MaxChannels)] = (
        0.485,
        0.456,
        0.406,
    )
    """Mean of each channel, of values in [0, 1]; subtracted. One value serves every channel."""
    std: Annotated[tuple[_Deviation, ...], Field(min_length=1, max_length=_MaxChannels)] = (
        0.229,
        0.224,
        0.225,
    )
    """Standard deviation of each channel, of values in [0, 1]; divided by."""
    interpolation: Interpolation = "bicubic"
    """How the picture is resampled."""
    crop_pct: Annotated[float, Field(gt=0.0, le=1.0)] = 0.875
    """Share of the resized picture's side that the crop keeps."""
    crop_mode: CropMode = "center"
    """`center` crops the middle, `squash` ignores the aspect ratio, `border` pads."""

    def for_channels(self, count: int) -> Self:
        """This spec for another number of channels: their average serves each of them."""
        if len(self.mean) in (1, count) and len(self.std) in (1, count):
            return self
        mean, std = sum(self.mean) / len(self.mean), sum(self.std) / len(self.std)
        return self.replace(mean=(mean,), std=(std,))
