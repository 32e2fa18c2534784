"""Sample images, made by a rule, and their encoded files."""

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


def sample_image(width: int = 500, height: int = 375) -> Image.Image:
    """`colours` as a Pillow image."""
    pixels = colours(width, height).permute(1, 2, 0)
    return Image.frombytes("RGB", (width, height), bytes(pixels.flatten().tolist()))


def pixels(image: Image.Image) -> Tensor:
    """The pixels of a Pillow image, (C, H, W)."""
    return to_tensor([image])


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of an image file of this kind."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
