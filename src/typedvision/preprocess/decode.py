"""Read images of any kind as 8-bit Pillow images: files, Pillow images and tensors.

Files are not trusted: nothing is decoded before its size is known, and only formats that are
decoded inside this process are accepted. What cannot be read is an `ImageError` with the reason.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from os import PathLike, fsdecode
from pathlib import Path
from typing import TypeAlias

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from typedvision.errors import ImageError, UsageError

ImageInput: TypeAlias = Image.Image | str | PathLike[str] | Tensor
"""A Pillow image, the path of a file, or a tensor (C, H, W) of uint8."""

MAX_PIXELS = 2**28 // 3
"""Largest number of pixels of an image: a quarter of a GiB as RGB; Pillow warns above it too."""

# Pillow knows more formats; one of them starts other programs, and few are ever photographs.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
"""File formats that are read, by Pillow's names."""

_Check = Callable[[int, int], None]
"""Refuses a height and width."""

_ORIENTATION = 0x0112  # this tag of EXIF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that makes an image of each EXIF orientation upright."""

_HIGH_BYTE = {"I;16": 1, "I;16L": 1, "I;16B": 0}
"""Index of the high byte of a value of each 16-bit mode."""

# Pillow converts these to grey directly, and not every other mode.
_HAS_GREY = ("1", "L", "LA", "RGB")


def decode(
    image: ImageInput,
    channels: int,
    max_pixels: int,
    becomes: Callable[[int, int], tuple[int, int]],
) -> list[Image.Image]:
    """Read an image as 8-bit Pillow images that together have the wanted channels.

    One channel gives one image of mode `L`, three give one of mode `RGB`; any other number, which
    only tensors have, gives one image of mode `L` for each channel.

    Args:
        image: a path, a Pillow image, or a tensor (C, H, W) of uint8; grey is converted to colour
            where three channels are wanted, and colour to grey where one is.
        channels: number of channels that are wanted.
        max_pixels: refuse a larger image before it is decoded, and one that would become larger.
        becomes: the height and width that an image of this height and width is resampled to.

    Raises:
        ImageError: the image cannot be read; the message names the file, if any, and the reason.
        UsageError: `image` is none of these types, or a tensor of another shape or type.
    """

    def check(height: int, width: int) -> None:
        if width * height > max_pixels:
            raise _Refused(f"has {width} x {height} pixels, more than {max_pixels:,} pixels")
        # Its orientation may not be known yet.
        for h, w in (becomes(height, width), becomes(width, height)[::-1]):
            if h * w > max_pixels:
                raise _Refused(
                    f"is too long and thin: {width} x {height} would become {w} x {h}, "
                    f"more than {max_pixels:,} pixels"
                )

    match image:
        case Tensor():
            return _from_tensor(image, channels, check)
        case Image.Image():
            return [_from_pillow(image, channels, check)]
        case str() | PathLike():
            return [_from_file(Path(fsdecode(image)), channels, check)]
    raise UsageError(
        "an image is a path, a Pillow image, or a tensor (C, H, W) of uint8; "
        f"got {type(image).__name__}"
    )


def name_of(image: ImageInput) -> str:
    """The name of an image in an error message: its path, or `the image`."""
    return repr(fsdecode(image)) if isinstance(image, str | PathLike) else "the image"


def suffixes() -> frozenset[str]:
    """The file name suffixes of `FORMATS`, in lower case: `.jpg`, `.png`, ..."""
    return frozenset(end for end, name in Image.registered_extensions().items() if name in FORMATS)


def to_tensor(images: Sequence[Image.Image]) -> Tensor:
    """Concatenate the channels of Pillow images of one size: (C, H, W), uint8."""
    return torch.cat([_channels(image) for image in images])


def _channels(image: Image.Image) -> Tensor:
    data = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return data.view(image.height, image.width, -1).permute(2, 0, 1)


def _from_tensor(tensor: Tensor, channels: int, check: _Check) -> list[Image.Image]:
    if tensor.dtype != torch.uint8 or tensor.ndim != 3 or 0 in tensor.shape:
        raise UsageError(
            "an image tensor is (C, H, W) of uint8; "
            f"got {tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"
        )
    with _reasons("the image"):
        check(tensor.shape[1], tensor.shape[2])
    found = tensor.shape[0]
    if channels in (1, 3) and found in (1, 3):
        return [_of_mode(_image(tensor), channels)]
    if found != channels:
        raise ImageError(f"the image has {found} channels; the model takes {channels}")
    return [_image(plane[None]) for plane in tensor]


def _image(tensor: Tensor) -> Image.Image:
    """Convert a tensor (1, H, W) or (3, H, W) of uint8 to a Pillow image."""
    count, height, width = tensor.shape
    rows = tensor.detach().permute(1, 2, 0).cpu().contiguous()
    data = ctypes.string_at(rows.data_ptr(), rows.nbytes)
    return Image.frombytes("L" if count == 1 else "RGB", (width, height), data)


def _from_file(path: Path, channels: int, check: _Check) -> Image.Image:
    Image.init()
    known = [name for name in FORMATS if name in Image.OPEN]  # not every Pillow has them all
    with _reasons(name_of(path)):
        if not path.is_file():  # a pipe would keep us waiting
            raise _Refused("is not a file" if path.exists() else "does not exist")
        with Image.open(path, formats=known) as image:
            return _eight_bits(image, channels, check)


def _from_pillow(image: Image.Image, channels: int, check: _Check) -> Image.Image:
    with _reasons("the image"):
        return _eight_bits(image, channels, check)


@contextmanager
def _reasons(name: str) -> Generator[None, None, None]:
    """Raise an `ImageError` that names the image: decoders raise anything on a hostile file."""
    try:
        yield
    except UnidentifiedImageError:
        reason = f"is of none of the formats {', '.join(FORMATS)}"
    except _Refused as refusal:
        reason = str(refusal)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
    except Exception as error:
        reason = f"cannot be read: {str(error) or type(error).__name__}"
    else:
        return
    raise ImageError(f"{name} {reason}")


class _Refused(Exception):
    """The reason for which an image is refused."""


def _eight_bits(image: Image.Image, channels: int, check: _Check) -> Image.Image:
    """Convert an image to mode `L` or `RGB`, upright and without transparency."""
    if channels not in (1, 3):
        raise _Refused(f"is grey or colour; the model takes {channels} channels, as a tensor")
    check(image.height, image.width)
    image.load()
    transpose = _transpose(image)
    if image.mode in _HIGH_BYTE:
        image = Image.frombytes("L", image.size, image.tobytes()[_HIGH_BYTE[image.mode] :: 2])
    elif image.mode.startswith(("I", "F")):
        raise _Refused("has 32-bit values, whose range is unknown: scale them to 8 bits")
    image = _of_mode(image, channels)
    return image if transpose is None else image.transpose(transpose)


def _transpose(image: Image.Image) -> Image.Transpose | None:
    """The operation that makes an image upright; None where EXIF cannot be read, as viewers do."""
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # as decoders do
        return None


def _of_mode(image: Image.Image, channels: int) -> Image.Image:
    """Convert an image to grey or to colour; transparent pixels keep their colour."""
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, Pillow would warn
    wanted = "L" if channels == 1 else "RGB"
    if wanted == "L" and image.mode not in _HAS_GREY:
        image = image.convert("RGB")
    return image if image.mode == wanted else image.convert(wanted)
