"""Resize an image to a model's input size, then crop or pad it.

H x W is the size of the image, h x w that of the input.
"""

from __future__ import annotations

from PIL import Image

from typedvision.config.image import ImageSpec

_RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}


def fit(
    image: Image.Image, size: tuple[int, int], spec: ImageSpec, fill: tuple[int, ...]
) -> Image.Image:
    """Resample an image, then crop or pad its centre to the size of a spec.

    Args:
        image: of mode `L` or `RGB`.
        size: height and width to resample to, as `resized` gives them.
        spec: the wanted size and interpolation.
        fill: colour of the pixels that the image does not cover, one value in [0, 255] a channel.
    """
    height, width = size
    image = resampled(image, size, spec)
    if size == spec.size:
        return image
    h, w = spec.size
    result = Image.new(image.mode, (w, h), fill)
    result.paste(image, (-_offset(width, w), -_offset(height, h)))
    return result


def resampled(image: Image.Image, size: tuple[int, int], spec: ImageSpec) -> Image.Image:
    """Resample an image to that height and width by the interpolation of a spec."""
    height, width = size
    if (width, height) == image.size:
        return image
    return image.resize((width, height), _RESAMPLING[spec.interpolation])


def resized(spec: ImageSpec, height: int, width: int) -> tuple[int, int]:
    """Height and width to which an image of this height and width is resampled."""
    h, w = (max(1, int(side / spec.crop_pct)) for side in spec.size)
    if spec.crop_mode == "squash":
        return h, w
    if spec.crop_mode == "center" and h == w:  # the shorter side is exact, the longer one cut
        return (h, h * width // height) if height <= width else (w * height // width, w)
    outer = max if spec.crop_mode == "border" else min  # the whole image, or no padding
    ratio = outer(height / h, width / w)
    return max(1, round(height / ratio)), max(1, round(width / ratio))


def _offset(length: int, wanted: int) -> int:
    """Start of the central part of the wanted length; negative where padding is needed."""
    spare = length - wanted
    return round(spare / 2) if spare >= 0 else -(-spare // 2)
