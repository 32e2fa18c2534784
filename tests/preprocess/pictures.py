"""Pictures made by a rule, and what is left of them in a file."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor

from typedvision.preprocess.decode import to_tensor


def colours(width: int = 500, height: int = 375) -> Tensor:
    """Gradients and edges, so that resampling shows: (3, H, W)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    red = (x * 255) // (width - 1)
    green = (y * 255) // (height - 1)
    blue = ((x // 16 + y // 16) % 2) * 255
    return torch.stack([red, green, blue]).byte()


def image(width: int = 500, height: int = 375) -> Image.Image:
    """The same for Pillow."""
    pixels = colours(width, height).permute(1, 2, 0)
    return Image.frombytes("RGB", (width, height), bytes(pixels.flatten().tolist()))


def pixels(picture: Image.Image) -> Tensor:
    """What Pillow holds, (C, H, W)."""
    return to_tensor([picture])


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
