"""What a model expects of its input image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from typedvision.config.base import Channels, Config, Pixels
from typedvision.config.problems import Conflict

Interpolation = Literal["bicubic", "bilinear"]
CropMode = Literal["center", "squash", "border"]
_Value = Annotated[float, Field(ge=-1e6, le=1e6)]
_Deviation = Annotated[float, Field(gt=0.0, le=1e6)]
_MaxChannels = 1_024


class ImageSpec(Config):
    """Size and value range of the input, and how an image is brought there."""

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
    """How the image is resampled."""
    crop_pct: Annotated[float, Field(ge=0.01, le=2.0)] = 0.875
    """Share of the resized image's side that the crop keeps; above 1, the crop has a border."""
    crop_mode: CropMode = "center"
    """`center` crops the middle, `squash` ignores the aspect ratio, `border` pads."""
    channels: Channels = 3
    """Number of channels: 1 is grey, 3 is colour. As many as `mean` or `std` has values, where
    nothing else is said; in a model's spec, as many as the model takes."""

    @model_validator(mode="before")
    @classmethod
    def _counted(cls, data: object) -> object:
        if not isinstance(data, Mapping) or "channels" in data:
            return data
        values = [data.get(name, cls.model_fields[name].default) for name in ("mean", "std")]
        counts = [len(value) for value in values if isinstance(value, list | tuple)]
        return {**data, "channels": max(1, *counts)} if counts else data

    def conflicts(self) -> Iterator[Conflict]:
        """Values that are neither one nor one for each channel."""
        for name in ("mean", "std"):
            count = len(getattr(self, name))
            if count not in (1, self.channels):
                yield Conflict(
                    f"'{name}' has {count} values for 'channels' = {self.channels}: "
                    "give one value, or one for each channel",
                    name,
                )

    def for_channels(self, count: int) -> Self:
        """This spec for another number of channels: their average serves each of them."""
        if count == self.channels:
            return self
        mean, std = sum(self.mean) / len(self.mean), sum(self.std) / len(self.std)
        return self.replace(mean=(mean,), std=(std,), channels=count)
