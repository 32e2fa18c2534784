"""Brings a picture to a model's size: what is resampled to what, and which part of it is taken.

H x W is the picture's size, h x w the model's.
"""

from __future__ import annotations

from PIL import Image

from typedvision.config.image import ImageSpec

_RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}


def fit(
    picture: Image.Image, size: tuple[int, int], spec: ImageSpec, fill: tuple[int, ...]
) -> Image.Image:
    """A picture resampled, then cropped or padded to a spec's size.

    Args:
        picture: of mode `L` or `RGB`.
        size: the height and width that it is resampled to.
        spec: what the result is like.
        fill: the colour of what the picture does not cover.
    """
    height, width = size
    if (width, height) != picture.size:
        picture = picture.resize((width, height), _RESAMPLING[spec.interpolation])
    if size == spec.size:
        return picture
    h, w = spec.size
    result = Image.new(picture.mode, (w, h), fill)
    result.paste(picture, (-_offset(width, w), -_offset(height, h)))
    return result


def resized(spec: ImageSpec, height: int, width: int) -> tuple[int, int]:
    """Height and width that a picture of this height and width is resampled to."""
    h, w = (max(1, int(side / spec.crop_pct)) for side in spec.size)
    if spec.crop_mode == "squash":
        return h, w
    if spec.crop_mode == "center" and h == w:  # the shorter side is exact, the longer one cut
        return (h, h * width // height) if height <= width else (w * height // width, w)
    outer = max if spec.crop_mode == "border" else min  # the whole picture, or no gap
    ratio = outer(height / h, width / w)
    return max(1, round(height / ratio)), max(1, round(width / ratio))


def _offset(length: int, wanted: int) -> int:
    """Where the middle part of that length begins; negative where there is too little."""
    spare = length - wanted
    return round(spare / 2) if spare >= 0 else -(-spare // 2)
