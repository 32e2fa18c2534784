"""The training transform: random parts, reproducible, also in the workers of a loader."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import typedvision as tv
from tests.preprocess.images import colours, sample_image

SPEC = tv.ImageSpec(size=(24, 32), mean=(0.0,), std=(1.0,), channels=3, interpolation="bilinear")


def several(transform: tv.TrainingTransform, count: int = 8) -> Tensor:
    return torch.stack([transform(colours(90, 60)) for _ in range(count)])


def test_the_seed_decides() -> None:
    one, other = (tv.make_transform(SPEC, training=True, seed=3) for _ in range(2))
    drawn = several(one)
    assert drawn.shape == (8, 3, 24, 32)
    assert torch.equal(drawn, several(other))
    assert not torch.equal(drawn, several(one))  # it goes on
    assert not torch.equal(drawn, several(tv.make_transform(SPEC, training=True, seed=4)))
    copy = pickle.loads(pickle.dumps(one))
    assert copy == one
    assert torch.equal(drawn, several(copy))  # from the beginning


def test_without_a_seed_pytorch_decides() -> None:
    transform = tv.make_transform(SPEC, training=True)
    torch.manual_seed(5)
    drawn = several(transform)
    torch.manual_seed(5)
    assert torch.equal(drawn, several(transform))
    state = torch.get_rng_state()
    several(tv.make_transform(SPEC, training=True, seed=3))
    assert torch.equal(state, torch.get_rng_state())


def positions(part: Tensor) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a part, of pixels that say where they are, in [0, 1]."""
    across, down = part[0].mean(0), part[1].mean(1)
    return across[0].item(), across[-1].item(), down[0].item(), down[-1].item()


def test_parts_have_the_sizes_that_were_asked_for() -> None:
    transform = tv.TrainingTransform(SPEC, scale=(0.25, 0.5), ratio=1.5, flip=0.0, seed=0)
    areas, shapes, corners = [], [], []
    for _ in range(200):
        left, right, top, bottom = positions(transform(colours(320, 240)))
        areas.append((right - left) * (bottom - top))
        shapes.append((right - left) / (bottom - top))
        corners.append((left, top))
    assert 0.2 < min(areas) < 0.27
    assert 0.44 < max(areas) < 0.52
    assert 1 / 1.6 < min(shapes) < 0.72
    assert 1.4 < max(shapes) < 1.6
    lefts, tops = torch.tensor(corners).unbind(1)
    assert lefts.min() < 0.05 < 0.3 < lefts.max()
    assert tops.min() < 0.05 < 0.3 < tops.max()


def test_half_are_mirrored() -> None:
    transform = tv.TrainingTransform(SPEC, seed=0)
    mirrored = [left > right for left, right, _, _ in map(positions, several(transform, 200))]
    assert 70 < sum(mirrored) < 130
    never = tv.TrainingTransform(SPEC, flip=0.0, seed=0)
    assert all(left < right for left, right, _, _ in map(positions, several(never, 50)))


def test_values_are_normalised_and_in_range() -> None:
    spec = SPEC.replace(interpolation="bicubic")
    plain = several(tv.make_transform(spec, training=True, seed=0))
    assert plain.min() == 0
    assert plain.max() == 1
    shifted = spec.replace(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    values = several(tv.make_transform(shifted, training=True, seed=0))
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (shifted.mean, shifted.std))
    assert torch.allclose(values, (plain - mean) / std)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 3)])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_any_image_will_do(size: tuple[int, int], channels: int) -> None:
    transform = tv.make_transform(SPEC.for_channels(channels), training=True, seed=0)
    image = torch.full((channels, *size), 255, dtype=torch.uint8)
    assert torch.equal(transform(image), torch.ones(channels, 24, 32))


def test_batches_and_images_of_pillow() -> None:
    one, other = (tv.make_transform(SPEC, training=True, seed=3) for _ in range(2))
    batch = one([sample_image(90, 60), colours(90, 60)])
    assert torch.equal(batch, several(other, 2))


@pytest.mark.parametrize(
    "options",
    [
        {"scale": (0.0, 1.0)},
        {"scale": (0.5, 0.4)},
        {"scale": (0.5, 1.1)},
        {"scale": None},
        {"scale": (0.5,)},
        {"ratio": 0.9},
        {"flip": 1.1},
        {"flip": float("nan")},
        {"flip": "x"},
        {"seed": "3"},
        {"seed": True},
    ],
)
def test_what_makes_no_sense_is_refused(options: dict) -> None:
    with pytest.raises(tv.UsageError):
        tv.TrainingTransform(SPEC, **options)


NAFLEX = tv.specify("naflexvit_base_patch16_gap", patch_size=4, img_size=16).replace(
    image=SPEC.replace(size=(16, 16))
)


def crops(transform: tv.PatchTrainingTransform, width: int, height: int) -> list[Tensor]:
    """200 crops of an image whose pixels say where they are, each put together from patches."""
    images = []
    for _ in range(200):
        patches = transform(colours(width, height))
        ((rows, columns),) = patches.grids()
        assert patches.values.shape == (1, rows * columns, 48)
        assert patches.valid.all()
        pixels = patches.values.reshape(rows, columns, 4, 4, 3)
        images.append(pixels.permute(4, 0, 2, 1, 3).reshape(3, 4 * rows, 4 * columns))
    return images


@pytest.mark.parametrize(("width", "height"), [(640, 480), (300, 900)])
def test_patches_keep_the_aspect_ratio_of_their_crop(width: int, height: int) -> None:
    transform = tv.PatchTrainingTransform(
        NAFLEX.image, (4, 4), 64, scale=(0.25, 0.5), ratio=1.5, flip=0.0, seed=0
    )
    areas, shapes, counts = [], [], []
    for crop in crops(transform, width, height):
        left, right, top, bottom = positions(crop)
        areas.append((right - left) * (bottom - top))
        shapes.append((right - left) / (bottom - top))
        counts.append(crop.shape[1] * crop.shape[2] / 16)
        stretch = crop.shape[2] / crop.shape[1] / (shapes[-1] * width / height)
        assert 0.75 < stretch < 1.33  # of whole patches
    assert 0.2 < min(areas) < 0.27
    assert 0.44 < max(areas) < 0.52
    assert 1 / 1.6 < min(shapes) < 0.72
    assert 1.4 < max(shapes) < 1.6
    assert 45 < min(counts) < max(counts) == 64


def test_the_seed_decides_patches() -> None:
    one, other = (
        tv.make_transform(NAFLEX, training=True, seed=3, max_seq_len=30) for _ in range(2)
    )
    images = [sample_image(90, 60), colours(20, 80), colours(2, 500), colours(2, 2)]
    batch = one(images)
    assert len(set(batch.grids())) > 1
    assert batch.valid.sum(1).max() <= 30
    assert torch.equal(batch.values, other(images).values)
    assert not torch.equal(batch.values, one(images).values)  # it goes on
    copy = pickle.loads(pickle.dumps(one))
    assert copy == one
    assert torch.equal(batch.values, copy(images).values)  # from the beginning


def test_half_of_the_patches_are_mirrored() -> None:
    transform = tv.make_transform(NAFLEX, training=True, seed=0, max_seq_len=30)
    mirrored = [left > right for left, right, _, _ in map(positions, crops(transform, 90, 60))]
    assert 70 < sum(mirrored) < 130


class Repeated(Dataset[Tensor]):
    """Transforms of one image."""

    def __init__(self, transform: tv.TrainingTransform) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(colours(90, 60))


def epochs() -> list[float]:
    """The sums of the images that a loader with two workers gives in two epochs."""
    loader = DataLoader(
        Repeated(tv.make_transform(SPEC, training=True, seed=3)),
        num_workers=2,
        generator=torch.Generator().manual_seed(0),
    )
    return [batch.sum().item() for _ in range(2) for batch in loader]


def test_workers_and_epochs_draw_parts_of_their_own() -> None:
    drawn = epochs()
    assert len(set(drawn)) == 12
    assert epochs() == drawn
