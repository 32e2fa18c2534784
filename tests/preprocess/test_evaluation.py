"""The evaluation transform gives timm's numbers, however the image comes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import typedvision as tv
from tests.contract.filling import fingerprint
from tests.preprocess.images import colours, sample_image

ROWS = json.loads(Path(__file__).with_name("golden.json").read_text("utf-8"))


def spec_of(row: dict[str, dict[str, object]]) -> tv.ImageSpec:
    return tv.ImageSpec.from_options(row["image_spec"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['tag']}-{row['image_size']}")
def test_the_numbers_are_those_of_timm(row: dict) -> None:
    image = sample_image(*row["image_size"])
    found = fingerprint(
        tv.make_transform(spec_of(row))(image.convert("L") if row["grey"] else image)
    )
    wanted = row["timm"]
    assert found["shape"] == wanted["shape"]
    assert found["values"] == pytest.approx(wanted["values"], abs=1e-6)
    assert (found["mean"], found["rms"]) == pytest.approx((wanted["mean"], wanted["rms"]), abs=1e-6)


def test_the_golden_numbers_are_of_every_kind() -> None:
    kinds = {(spec_of(row).crop_mode, spec_of(row).interpolation) for row in ROWS}
    assert {mode for mode, _ in kinds} == {"center", "squash", "border"}
    assert {kind for _, kind in kinds} == {"bicubic", "bilinear"}


def test_an_image_is_the_same_in_every_form(tmp_path: Path) -> None:
    image, transform = sample_image(90, 60), tv.make_transform("test_resnet.r160_in1k")
    path = tmp_path / "image.png"
    image.save(path)
    wanted = transform(image)
    assert wanted.shape == (3, 160, 160)
    assert wanted.dtype == torch.float32
    for other in (path, str(path), colours(90, 60)):
        assert torch.equal(transform(other), wanted)


def test_a_batch_is_its_images() -> None:
    transform = tv.make_transform("test_resnet")
    images = [sample_image(90, 60), sample_image(50, 80)]
    wanted = torch.stack([transform(image) for image in images])
    assert torch.equal(transform(images), wanted)
    assert torch.equal(transform(tuple(images)), wanted)
    tensors = torch.stack([colours(90, 60), colours(90, 60).flip(-1)])
    assert torch.equal(transform(tensors), transform(list(tensors)))
    assert transform([]).shape == (0, 3, 160, 160)
    assert transform(tensors[:0]).shape == (0, 3, 160, 160)


def test_an_error_says_where_in_the_batch() -> None:
    with pytest.raises(tv.ImageError, match=r"'no\.jpg' does not exist \(image 1 of the batch\)"):
        tv.make_transform("test_resnet")([sample_image(8, 8), "no.jpg"])


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_become_what_the_model_takes(channels: int) -> None:
    transform = tv.make_transform(tv.specify("test_resnet", in_chans=channels))
    colour = sample_image(90, 60)
    grey = colour.convert("L")
    assert transform(colour).shape == (channels, 160, 160)
    as_colour = colour if channels == 3 else grey
    assert torch.equal(transform(colour), transform(as_colour))
    assert torch.equal(transform(grey), transform(grey.convert("RGB")))
    plane = torch.tensor(list(grey.tobytes()), dtype=torch.uint8).view(1, 60, 90)
    assert torch.equal(transform(plane), transform(grey))


def test_other_channels_come_as_tensors() -> None:
    spec = tv.specify("test_resnet", in_chans=5)
    transform = tv.make_transform(spec)
    planes = torch.cat([colours(90, 60), colours(90, 60)[:2].flip(-1)])
    grey = tv.make_transform(spec.image.for_channels(1))
    wanted = torch.cat([grey(plane[None]) for plane in planes])
    assert torch.equal(transform(planes), wanted)
    for wrong in (sample_image(9, 9), planes[:4], planes[:1]):
        with pytest.raises(tv.ImageError, match="the model takes 5"):
            transform(wrong)
    with pytest.raises(tv.ImageError, match="has 4 channels; the model takes 3"):
        tv.make_transform("test_resnet")(planes[:4])


def test_a_border_has_the_colour_of_the_mean() -> None:
    spec = tv.ImageSpec(size=(8, 8), mean=(0.5,) * 5, std=(0.5,) * 5, crop_mode="border")
    wide = torch.zeros(5, 4, 8, dtype=torch.uint8)
    found = tv.make_transform(spec.replace(crop_pct=1.0))(wide)
    assert found[:, 3].tolist() == [[-1.0] * 8] * 5
    assert torch.equal((found[:, 0] * 0.5 + 0.5) * 255, torch.full((5, 8), 128.0))


def test_every_way_of_naming_a_model_gives_the_same() -> None:
    name = "test_resnet.r160_in1k"
    spec = tv.specify(name)
    model = tv.create_model(name, device="meta")
    transforms = [tv.make_transform(given) for given in (name, spec, spec.image, model)]
    assert transforms == [tv.EvaluationTransform(spec.image)] * 4


def test_one_value_serves_every_channel_of_the_config() -> None:
    spec = tv.specify("test_resnet").replace(image=tv.ImageSpec(mean=(0.5,), std=(0.5,)))
    assert tv.make_transform(spec)(sample_image(9, 9)).shape == (3, 224, 224)


@pytest.mark.parametrize("given", [3, None, tv.Limits(), "test_resnet"])
def test_what_is_no_model_is_refused(given: object) -> None:
    if isinstance(given, str):
        with pytest.raises(tv.UsageError, match="seed needs training=True"):
            tv.make_transform(given, seed=3)  # type: ignore[call-overload]
    else:
        with pytest.raises(tv.UsageError, match="make_transform takes"):
            tv.make_transform(given)  # type: ignore[call-overload]


@pytest.mark.parametrize("transform", [tv.EvaluationTransform, tv.TrainingTransform])
def test_a_field_of_another_kind_is_refused(transform: Callable[..., object]) -> None:
    spec = tv.specify("test_resnet")
    with pytest.raises(tv.UsageError, match="image_spec must be an ImageSpec"):
        transform(spec)
    for limit in (0, True, None, 1e6):
        with pytest.raises(tv.UsageError, match="max_pixels must be an integer of at least 1"):
            transform(spec.image, max_pixels=limit)


NO_IMAGES = {
    "a number": 3,
    "bytes": b"ab",
    "floats": torch.zeros(3, 8, 8),
    "two dimensions": torch.zeros(8, 8, dtype=torch.uint8),
    "five dimensions": torch.zeros(1, 1, 3, 8, 8, dtype=torch.uint8),
    "nothing in it": torch.zeros(3, 0, 8, dtype=torch.uint8),
}


@pytest.mark.parametrize("given", NO_IMAGES.values(), ids=NO_IMAGES)
def test_what_is_no_image_is_refused(given: Tensor) -> None:
    with pytest.raises(tv.UsageError, match="image"):
        tv.make_transform("test_resnet")(given)


def test_it_says_what_it_does_and_travels() -> None:
    transform = tv.make_transform("test_resnet")
    assert repr(transform).startswith(
        "EvaluationTransform(image_spec=ImageSpec(size=(160, 160), mean="
    )
    assert pickle.loads(pickle.dumps(transform)) == transform


def test_a_thread_of_pixels_is_not_resized_to_a_wall() -> None:
    thin = torch.zeros(3, 1, 60_000, dtype=torch.uint8)
    transform = tv.make_transform("test_resnet")
    with pytest.raises(tv.ImageError, match=r"60000 x 1 would become \d+ x 168"):
        transform(thin)
    with pytest.raises(tv.ImageError, match="more than 20,000 pixels"):
        tv.make_transform("test_resnet", max_pixels=20_000)(colours(90, 60))


def test_the_smallest_of_everything() -> None:
    spec = tv.ImageSpec(size=(1, 1), crop_pct=2.0)
    for mode in ("center", "squash", "border"):
        transform = tv.make_transform(spec.replace(crop_mode=mode))
        assert transform(torch.zeros(3, 1, 1, dtype=torch.uint8)).shape == (3, 1, 1)
        assert transform(torch.zeros(3, 300, 1, dtype=torch.uint8)).shape == (3, 1, 1)
