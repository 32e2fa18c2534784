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
    """Train pictures, test pictures, train labels, test labels.

    Pictures are (N, 1, 8, 8) with values in [0, 1]; labels are (N,). The split is always the same.
    """
    pictures, labels = load_digits(return_X_y=True)
    pictures = torch.from_numpy(pictures).float().reshape(-1, 1, 8, 8) / 16.0
    train, test = train_test_split(
        range(len(labels)), test_size=TEST_SHARE, stratify=labels, random_state=0
    )
    labels = torch.from_numpy(labels)
    return pictures[train], pictures[test], labels[train], labels[test]


def prepare(pictures: Tensor, image: ImageSpec) -> Tensor:
    """Resize and normalise pictures as a spec says."""
    if pictures.shape[-2:] != image.size:
        pictures = F.interpolate(pictures, image.size, mode=image.interpolation)
    mean, std = torch.tensor(image.mean), torch.tensor(image.std)
    return (pictures - mean[:, None, None]) / std[:, None, None]
