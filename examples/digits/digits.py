"""The 1,797 handwritten digits that come with scikit-learn, as a model's spec wants them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

from typedvision import ImageSpec

TEST_SHARE = 0.2


def load() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Train images, test images, train labels, test labels.

    Images are (N, 1, 8, 8) with values in [0, 1]; labels are (N,). The split is always the same.
    """
    images, labels = load_digits(return_X_y=True)
    images = torch.from_numpy(images).float().reshape(-1, 1, 8, 8) / 16.0
    train, test = train_test_split(
        range(len(labels)), test_size=TEST_SHARE, stratify=labels, random_state=0
    )
    labels = torch.from_numpy(labels)
    return images[train], images[test], labels[train], labels[test]


def prepare(images: Tensor, image: ImageSpec) -> Tensor:
    """Resize and normalise images as a spec says."""
    if images.shape[-2:] != image.size:
        images = F.interpolate(images, image.size, mode=image.interpolation)
    mean, std = torch.tensor(image.mean), torch.tensor(image.std)
    return (images - mean[:, None, None]) / std[:, None, None]
