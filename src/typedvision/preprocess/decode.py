"""Reads pictures of any kind as 8-bit images: files, Pillow's and tensors; or says why not.

What a file holds is not trusted: nothing is decoded before its size is known, and only by formats
that are read in this process.
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

Picture: TypeAlias = Image.Image | str | PathLike[str] | Tensor
"""A picture of Pillow, the path of a file, or a tensor (C, H, W) of uint8."""

MAX_PIXELS = 2**28 // 3
"""Most pixels of a picture: a quarter of a GiB as RGB, where Pillow too begins to warn."""

# Pillow knows more formats; one of them starts other programs, and few are ever photographs.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
"""Formats of files that are read."""

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
"""What brings a picture of each orientation upright."""

_HIGH_BYTE = {"I;16": 1, "I;16L": 1, "I;16B": 0}
"""Which of the two bytes of a value is the upper one."""

_HAS_GREY = ("1", "L", "LA", "RGB")  # Pillow turns these into grey, and not every other


def decode(
    picture: Picture,
    channels: int,
    max_pixels: int,
    becomes: Callable[[int, int], tuple[int, int]],
) -> list[Image.Image]:
    """A picture as 8-bit images of Pillow that together have these channels.

    One channel is one image of mode `L`, three are one of mode `RGB`; other numbers, which only
    tensors have, are an `L` for each.

    Args:
        picture: a grey one is read as colour where three channels are wanted, and the reverse.
        channels: how many are wanted.
        max_pixels: refuse a larger picture before it is decoded, and one that would become larger.
        becomes: the height and width that one of this height and width will be resampled to.

    Raises:
        ImageError: naming the file, if it is one, and the reason.
        UsageError: it is none of the kinds of a picture.
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

    match picture:
        case Tensor():
            return _from_tensor(picture, channels, check)
        case Image.Image():
            return [_from_pillow(picture, channels, check)]
        case str() | PathLike():
            return [_from_file(Path(fsdecode(picture)), channels, check)]
    raise UsageError(
        "a picture is a path, one of Pillow's, or a tensor (C, H, W) of uint8; "
        f"got {type(picture).__name__}"
    )


def name_of(picture: Picture) -> str:
    """What an error calls a picture."""
    return repr(fsdecode(picture)) if isinstance(picture, str | PathLike) else "the picture"


def suffixes() -> frozenset[str]:
    """How the names of files end that hold pictures of these formats: `.jpg`, `.png`, ..."""
    return frozenset(end for end, name in Image.registered_extensions().items() if name in FORMATS)


def to_tensor(images: Sequence[Image.Image]) -> Tensor:
    """The channels of images of one size, (C, H, W), uint8."""
    return torch.cat([_channels(image) for image in images])


def _channels(image: Image.Image) -> Tensor:
    data = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return data.view(image.height, image.width, -1).permute(2, 0, 1)


def _from_tensor(tensor: Tensor, channels: int, check: _Check) -> list[Image.Image]:
    if tensor.dtype != torch.uint8 or tensor.ndim != 3 or 0 in tensor.shape:
        raise UsageError(
            "a picture's tensor is (C, H, W) of uint8; "
            f"got {tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"
        )
    with _reasons("the picture"):
        check(tensor.shape[1], tensor.shape[2])
    found = tensor.shape[0]
    if channels in (1, 3) and found in (1, 3):
        return [_of_mode(_image(tensor), channels)]
    if found != channels:
        raise ImageError(f"the picture has {found} channels; the model takes {channels}")
    return [_image(plane[None]) for plane in tensor]


def _image(tensor: Tensor) -> Image.Image:
    """A tensor (1, H, W) or (3, H, W) as an image."""
    count, height, width = tensor.shape
    rows = tensor.detach().permute(1, 2, 0).cpu().contiguous()
    data = ctypes.string_at(rows.data_ptr(), rows.nbytes)
    return Image.frombytes("L" if count == 1 else "RGB", (width, height), data)


def _from_file(path: Path, channels: int, check: _Check) -> Image.Image:
    Image.init()
    known = [name for name in FORMATS if name in Image.OPEN]  # not every Pillow has them all
    with _reasons(name_of(path)):
        if not path.is_file():  # a pipe would keep us waiting
            raise _Refused("is no file" if path.exists() else "does not exist")
        with Image.open(path, formats=known) as image:
            return _eight_bits(image, channels, check)


def _from_pillow(image: Image.Image, channels: int, check: _Check) -> Image.Image:
    with _reasons("the picture"):
        return _eight_bits(image, channels, check)


@contextmanager
def _reasons(name: str) -> Generator[None, None, None]:
    """Says which picture it was: decoders raise anything on a damaged or hostile file."""
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
    """Why a picture is not taken."""


def _eight_bits(image: Image.Image, channels: int, check: _Check) -> Image.Image:
    """A picture upright, without transparency, in mode `L` or `RGB`."""
    if channels not in (1, 3):
        raise _Refused(f"is grey or colour; the model takes {channels} channels, as a tensor")
    check(image.height, image.width)
    image.load()
    turn = _turn(image)
    if image.mode in _HIGH_BYTE:
        image = Image.frombytes("L", image.size, image.tobytes()[_HIGH_BYTE[image.mode] :: 2])
    elif image.mode.startswith(("I", "F")):
        raise _Refused("has 32-bit values, whose range nobody knows: scale them to 8 bits")
    image = _of_mode(image, channels)
    return image if turn is None else image.transpose(turn)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What brings a picture upright; nothing where EXIF cannot be read, as viewers do."""
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # as decoders do
        return None


def _of_mode(image: Image.Image, channels: int) -> Image.Image:
    """A picture as grey or as colour; what is transparent shows the colour that it has."""
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, Pillow would warn
    wanted = "L" if channels == 1 else "RGB"
    if wanted == "L" and image.mode not in _HAS_GREY:
        image = image.convert("RGB")
    return image if image.mode == wanted else image.convert(wanted)
