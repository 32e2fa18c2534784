"""Patches of an image's own aspect ratio: timm's sizes and numbers, batches of several sizes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import typedvision as tv
from tests.contract.filling import fingerprint
from tests.preprocess.images import colours, sample_image
from typedvision.preprocess.patches import patch_grid

NAME = "naflexvit_base_patch16_gap"
SMALL = {"embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 3, "patch_size": 4}
SIZES = [(60, 90), (75, 20), (4, 4), (50, 50)]
"""Height and width of images."""


def small(name: str = NAME, **options: object) -> tv.ImageModel:
    """A small model with weights."""
    return tv.create_model(name, **SMALL, **options, img_size=16, seed=0).eval()


def images(sizes: list[tuple[int, int]]) -> list[torch.Tensor]:
    """An image of each height and width."""
    return [colours(width, height) for height, width in sizes]


GRIDS = [
    ((480, 640), (16, 16), 576, (21, 27)),
    ((640, 480), (16, 16), 576, (27, 21)),
    ((427, 640), (16, 16), 576, (19, 29)),
    ((1000, 1000), (16, 16), 576, (24, 24)),
    ((1, 1), (16, 16), 576, (7, 7)),
    ((3, 3), (16, 16), 576, (19, 19)),
    ((5, 1000), (16, 16), 576, (2, 288)),
    ((1000, 5), (16, 16), 576, (288, 2)),
    ((100, 4000), (16, 16), 576, (4, 144)),
    ((37, 53), (16, 16), 576, (20, 28)),
    ((224, 224), (16, 16), 576, (24, 24)),
    ((383, 385), (16, 16), 576, (24, 24)),
    ((1080, 1920), (16, 16), 576, (18, 32)),
    ((2000, 2001), (16, 16), 576, (24, 24)),
    ((17, 16), (16, 16), 576, (25, 23)),
    ((123, 457), (16, 16), 576, (12, 45)),
    ((480, 640), (14, 14), 256, (14, 18)),
    ((640, 480), (14, 14), 256, (18, 14)),
    ((427, 640), (14, 14), 256, (13, 19)),
    ((1000, 1000), (14, 14), 256, (16, 16)),
    ((1, 1), (14, 14), 256, (8, 8)),
    ((3, 3), (14, 14), 256, (16, 16)),
    ((480, 640), (16, 8), 64, (5, 12)),
    ((640, 480), (16, 8), 64, (6, 9)),
    ((427, 640), (16, 8), 64, (5, 12)),
    ((1000, 1000), (16, 8), 64, (5, 10)),
    ((1, 1), (16, 8), 64, (5, 10)),
    ((3, 3), (16, 8), 64, (5, 10)),
    ((480, 640), (16, 16), 1, (1, 1)),
    ((480, 640), (16, 16), 2, (1, 2)),
    ((480, 640), (16, 16), 128, (9, 12)),
    ((480, 640), (16, 16), 1024, (27, 36)),
]
"""Height and width of an image, those of a patch, the largest number of patches, and timm's rows
and columns of them."""


@pytest.mark.parametrize(("size", "patch_size", "most", "grid"), GRIDS)
def test_the_size_is_that_of_timm(
    size: tuple[int, int], patch_size: tuple[int, int], most: int, grid: tuple[int, int]
) -> None:
    assert patch_grid(*size, patch_size, most) == grid


NUMBERS: list[tuple[tuple[int, int], tuple[int, int], int, str, dict[str, object]]] = [
    (
        (60, 90),
        (16, 16),
        64,
        "bicubic",
        {
            "shape": [1, 54, 768],
            "mean": 0.2377265701,
            "rms": 1.1958896459,
            "values": [
                -2.5,
                -0.6,
                -0.5751633644,
                -0.1568627357,
                -0.4411764443,
                -1.3235294819,
                1.4,
                -0.6,
            ],
        },
    ),
    (
        (200, 75),
        (14, 14),
        100,
        "bilinear",
        {
            "shape": [1, 96, 588],
            "mean": 0.2375479414,
            "rms": 1.1921114953,
            "values": [-2.5, 1.4, -0.6, -0.6, 1.4, 0.7960784435, 1.4, -0.6],
        },
    ),
    (
        (300, 30),
        (16, 8),
        64,
        "bicubic",
        {
            "shape": [1, 64, 384],
            "mean": 0.2383354036,
            "rms": 1.2071907717,
            "values": [
                -2.5,
                -0.8921567798,
                -0.4444443882,
                -0.6,
                1.4,
                -0.754901886,
                1.542483568,
                1.4,
            ],
        },
    ),
]
"""Height and width of an image, those of a patch, the largest number of patches, the interpolation,
and timm's patches."""


@pytest.mark.parametrize(("size", "patch_size", "most", "interpolation", "wanted"), NUMBERS)
def test_the_numbers_are_those_of_timm(
    size: tuple[int, int],
    patch_size: tuple[int, int],
    most: int,
    interpolation: Literal["bicubic", "bilinear"],
    wanted: dict[str, object],
) -> None:
    spec = tv.ImageSpec(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.5), interpolation=interpolation)
    found = tv.PatchTransform(spec, patch_size, most)(colours(size[1], size[0]))
    for key, value in fingerprint(found.values).items():
        assert value == pytest.approx(wanted[key], abs=1e-6)


def test_patches_are_at_the_largest_scale_that_is_allowed() -> None:
    for height, width in ((7, 7), (4, 1000), (999, 3), (37, 53), (480, 640)):
        for tall, wide in ((16, 16), (14, 16), (1, 7)):
            for most in (1, 2, 7, 100):
                rows, columns = patch_grid(height, width, (tall, wide), most)
                assert 1 <= rows * columns <= most
                scale = min(rows * tall / height, columns * wide / width) * (1 + 1e-9)
                more = -(-height * scale // tall) * -(-width * scale // wide)
                assert more > most


def test_a_batch_is_each_image_alone() -> None:
    transform = tv.make_transform(small(), max_seq_len=30)
    together = transform(images(SIZES))
    assert together.values.shape == (4, 30, 48)
    assert together.values.dtype == torch.float32
    counts = [rows * columns for rows, columns in together.grids()]
    assert together.valid.sum(1).tolist() == counts
    for index, image in enumerate(images(SIZES)):
        alone, count = transform(image), counts[index]
        assert alone.grids() == together.grids()[index : index + 1]
        assert alone.valid.all()
        assert torch.equal(together.values[index, :count], alone.values[0])
        assert torch.equal(together.coordinates[index, :count], alone.coordinates[0])
        for part in (together.values, together.coordinates, together.valid):
            assert not part[index, count:].any()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_pool": "map", "fc_norm": False},
        {"global_pool": "token", "class_token": True, "fc_norm": False},
        {"rope_type": "axial", "pos_embed": "none", "swiglu_mlp": True},
    ],
)
@torch.inference_mode()
def test_a_model_sees_each_image_alone(options: dict[str, object]) -> None:
    model = small(**options).double()
    patches = tv.make_transform(model, max_seq_len=30)(images(SIZES)).to("cpu", torch.float64)
    together = model(patches)
    assert together.shape == (4, 3)
    for index, (rows, columns) in enumerate(patches.grids()):
        pixels = patches.values[index, : rows * columns].reshape(rows, columns, 4, 4, 3)
        image = pixels.permute(4, 0, 2, 1, 3).reshape(1, 3, 4 * rows, 4 * columns)
        torch.testing.assert_close(together[index], model(image)[0], rtol=1e-9, atol=1e-9)


def test_more_padding_changes_nothing() -> None:
    model = small().double()
    patches = tv.make_transform(model, max_seq_len=9)(images(SIZES)).to("cpu", torch.float64)
    longer = tv.Patches.of([torch.zeros(3, 40, 40, dtype=torch.float64)], (4, 4))
    found = model(tv.Patches.join([patches, longer]))[:4]
    torch.testing.assert_close(found, model(patches), rtol=1e-9, atol=1e-9)


def test_a_model_learns_of_several_sizes() -> None:
    model = small().train()
    patches = tv.make_transform(model, max_seq_len=16)(images(SIZES))
    model(patches).square().sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


class Sized(Dataset[tv.Patches]):
    """Images of several sizes."""

    def __init__(self, transform: tv.PatchTransform) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return len(SIZES)

    def __getitem__(self, index: int) -> tv.Patches:
        return self.transform(images(SIZES)[index])


def test_a_loader_joins_them() -> None:
    transform = tv.make_transform(small(), max_seq_len=30)
    loader = DataLoader(Sized(transform), batch_size=3, num_workers=1, collate_fn=tv.Patches.join)
    batches = list(loader)
    assert [batch.valid.shape[0] for batch in batches] == [3, 1]
    wanted = transform(images(SIZES[:3]))
    assert torch.equal(batches[0].values, wanted.values)
    assert torch.equal(batches[0].valid, wanted.valid)


def test_every_form_of_an_image_and_of_a_model_gives_the_same() -> None:
    spec = tv.specify(NAME, patch_size=(4, 8), img_size=(16, 32))
    transform = tv.make_transform(spec, max_seq_len=30)
    assert transform == tv.PatchTransform(spec.image, (4, 8), 30)
    assert tv.make_transform(NAME, max_seq_len=5).patch_size == (16, 16)
    wanted = transform(sample_image(90, 60))
    assert torch.equal(transform(colours(90, 60)).values, wanted.values)
    assert torch.equal(transform(colours(90, 60)[None]).values, wanted.values)
    copy = pickle.loads(pickle.dumps(transform))
    assert copy == transform
    assert repr(copy).endswith(f"patch_size=(4, 8), max_seq_len=30, max_pixels={copy.max_pixels})")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: tv.make_transform("test_resnet", max_seq_len=9), "'resnet' takes images only"),
        (lambda: tv.make_transform(tv.ImageSpec(), max_seq_len=9), "has no size of patches"),
        (lambda: tv.make_transform(NAME, max_seq_len=0), "max_seq_len must be"),
        (lambda: tv.make_transform(NAME, max_seq_len=True), "max_seq_len must be"),
        (lambda: tv.make_transform(NAME, max_seq_len=9, seed=3), "nothing is random"),
        (lambda: tv.PatchTransform(tv.ImageSpec(), 16, 9), "patch_size must be"),
        (lambda: tv.PatchTransform(tv.ImageSpec(), (16, 0), 9), "patch_size must be"),
        (lambda: tv.PatchTransform(tv.ImageSpec(), (16, 16), 9, 0), "max_pixels must be"),
        (lambda: tv.PatchTrainingTransform(tv.ImageSpec(), (16, 0), 9), "patch_size must be"),
        (lambda: tv.PatchTrainingTransform(tv.ImageSpec(), (4, 4), 9, flip=2.0), "flip is in"),
        (
            lambda: tv.make_transform("test_resnet", max_seq_len=9, training=True),
            "'resnet' takes images only",
        ),
        (lambda: tv.make_transform(NAME, max_seq_len=10**6), "more than max_pixels 89,478,485"),
        (lambda: tv.make_transform(NAME, max_seq_len=9)([]), "at least one image"),
        (lambda: tv.make_transform(NAME, max_seq_len=9)(3), "an image is"),
        (lambda: tv.Patches(*torch.zeros(3, 1, 2, 2)), "valid .N, L."),
        (
            lambda: tv.Patches(*torch.zeros(2, 1, 2, 2), torch.zeros(1, 2)),
            "valid must be of torch.bool",
        ),
        (
            lambda: tv.Patches.join(
                [tv.Patches.of([torch.zeros(3, 4, 4)], (side, side)) for side in (2, 4)]
            ),
            "of one size",
        ),
        (lambda: small()(tv.Patches.of([torch.zeros(3, 4, 4)], (2, 2))), "must be of 4 x 4 pixels"),
        (
            lambda: small(embed_proj_type="conv")(tv.Patches.of([torch.zeros(3, 4, 4)], (4, 4))),
            "embed_proj_type='linear'",
        ),
        (
            lambda: tv.make_transform(small(embed_proj_type="conv"), max_seq_len=9),
            "takes images only",
        ),
    ],
)
def test_what_does_not_go_is_refused(make: Callable[[], object], why: str) -> None:
    with pytest.raises(tv.UsageError, match=why):
        make()


def test_an_image_that_cannot_be_read_is_named() -> None:
    transform = tv.make_transform(NAME, max_seq_len=9)
    with pytest.raises(tv.ImageError, match=r"'no\.jpg' does not exist \(image 1 of the batch\)"):
        transform([sample_image(8, 8), "no.jpg"])
