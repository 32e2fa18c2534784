"""`predict`: the most probable classes of images, in their order, whatever some of them are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import typedvision as tv
from tests.preprocess.images import colours, sample_image
from typedvision.preprocess.decode import ImageInput

NAMES = ("ant", "bee", "cat", "dog", "eel")


@pytest.fixture
def model(tmp_path: Path) -> tv.ImageModel:
    path = tmp_path / "model.safetensors"
    tv.save_model(tv.create_model("test_resnet", num_classes=5, seed=1), path, class_names=NAMES)
    return tv.load_model(path)


def test_the_classes_are_those_of_the_softmax(model: tv.ImageModel) -> None:
    (found,) = tv.predict(model, [sample_image(90, 60)], top=3)
    assert not model.training
    with torch.no_grad():
        logits = model(tv.make_transform(model)(sample_image(90, 60))[None])[0]
    wanted = sorted(enumerate(logits.softmax(0).tolist()), key=lambda pair: -pair[1])[:3]
    assert [score.index for score in found.classes] == [index for index, _ in wanted]
    assert [score.name for score in found.classes] == [NAMES[index] for index, _ in wanted]
    probabilities = [score.probability for score in found.classes]
    assert probabilities == pytest.approx([value for _, value in wanted])
    assert found.error is None


def test_no_more_classes_than_there_are(model: tv.ImageModel) -> None:
    (found,) = tv.predict(model, [colours(9, 9)], top=100)
    assert sum(score.probability for score in found.classes) == pytest.approx(1.0)
    assert {score.name for score in found.classes} == set(NAMES)


def test_classes_without_names() -> None:
    model = tv.create_model("test_resnet", num_classes=2, seed=1)
    (found,) = tv.predict(model, [sample_image(9, 9)])
    assert [score.name for score in found.classes] == [None, None]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_a_broken_image_stops_nothing(
    model: tv.ImageModel, batch_size: int, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not an image")
    images = [
        sample_image(90, 60),
        broken,
        "nowhere.png",
        colours(50, 50),
        sample_image(20, 80),
        broken,
    ]
    found = list(tv.predict(model, images, batch_size=batch_size, workers=3))
    assert [one.image for one in found] == images
    assert [one.error is None for one in found] == [True, False, False, True, True, False]
    assert [bool(one.classes) for one in found] == [True, False, False, True, True, False]
    assert "broken.jpg" in str(found[1].error)
    for one in (found[0], found[3], found[4]):
        (alone,) = tv.predict(model, [one.image])
        assert [score.index for score in alone.classes] == [score.index for score in one.classes]


def test_images_are_taken_as_they_are_needed(model: tv.ImageModel) -> None:
    taken = 0

    def endless() -> Iterator[torch.Tensor]:
        nonlocal taken
        while True:
            taken += 1
            yield colours(9, 9)

    predictions = tv.predict(model, endless(), batch_size=2)
    assert taken == 0
    next(predictions)
    assert taken == 4  # one batch, and the next one ahead
    assert list(tv.predict(model, [])) == []


def test_an_output_that_is_no_number_is_an_error(model: tv.ImageModel) -> None:
    with torch.no_grad():
        model.get_classifier().bias.fill_(float("nan"))
    (found,) = tv.predict(model, [sample_image(9, 9)])
    assert isinstance(found.error, tv.WeightsError)
    assert "the image is not finite" in str(found.error)
    assert found.classes == ()


def test_half_precision_is_the_models(model: tv.ImageModel) -> None:
    (wanted,) = tv.predict(model, [sample_image(90, 60)], top=1)
    (found,) = tv.predict(model.to(torch.bfloat16), [sample_image(90, 60)], top=1)
    assert found.classes[0].probability == pytest.approx(wanted.classes[0].probability, abs=0.02)


def test_what_makes_no_sense_is_refused_at_once(model: tv.ImageModel) -> None:
    image = [sample_image(9, 9)]
    unloaded = tv.create_model("test_resnet", device="meta")
    features = tv.create_model("test_resnet", num_classes=0)
    for wrong, words in ((3, "create_model"), (unloaded, "meta device"), (features, "classifier")):
        with pytest.raises(tv.UsageError, match=words):
            tv.predict(wrong, image)  # type: ignore[arg-type]
    for name in ("top", "batch_size", "workers"):
        for value in (0, True, 1.0):
            with pytest.raises(tv.UsageError, match=f"{name} must be"):
                tv.predict(model, image, **{name: value})  # type: ignore[arg-type]
    for one in ("x.jpg", sample_image(9, 9), colours(9, 9)):
        with pytest.raises(tv.UsageError, match="several images"):
            tv.predict(model, one)  # type: ignore[arg-type]
    with pytest.raises(tv.UsageError, match="an image is"):
        list(tv.predict(model, [3]))  # type: ignore[list-item]


@pytest.mark.parametrize("name", ["test_vit", "convnext_atto", "swin_tiny_patch4_window7_224"])
def test_classes_of_positions_are_refused(name: str) -> None:
    model = tv.create_model(name, global_pool="", num_classes=3, device="meta")
    with pytest.raises(tv.UsageError, match="for each position"):
        tv.predict(model, [sample_image(90, 60)])


@pytest.mark.parametrize("max_seq_len", [None, 9])
@pytest.mark.parametrize("several", [[], torch.zeros(2, 3, 8, 8, dtype=torch.uint8)])
def test_a_batch_is_no_image(several: ImageInput, max_seq_len: int | None) -> None:
    with pytest.raises(tv.UsageError, match="got a batch as one of them"):
        list(tv.predict(takes_patches(), [several], max_seq_len=max_seq_len))


def takes_patches(**options: object) -> tv.ImageModel:
    """A small model of images of any aspect ratio."""
    return tv.create_model(
        "naflexvit_base_patch16_gap",
        **{"embed_dim": 16, "depth": 1, "num_heads": 2, "patch_size": 4, "img_size": 16},
        **{"num_classes": 5, "seed": 0, **options},
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_patches_keep_the_aspect_ratio_of_each_image(dtype: torch.dtype) -> None:
    model = takes_patches(dtype=dtype)
    images = [sample_image(90, 60), "nowhere.png", sample_image(20, 80), colours(50, 50)]
    found = list(tv.predict(model, images, max_seq_len=30, batch_size=3))
    assert not model.training
    assert [row.error is None for row in found] == [True, False, True, True]
    transform = tv.make_transform(model, max_seq_len=30)
    for row in (found[0], found[2], found[3]):
        with torch.no_grad():
            wanted = model(transform(row.image).to("cpu", dtype))[0].softmax(0)
        assert {score.index: score.probability for score in row.classes} == pytest.approx(
            dict(enumerate(wanted.tolist())), abs=1e-6
        )
    squashed = list(tv.predict(model, [images[2]]))
    assert squashed[0].classes != found[2].classes


def test_patches_that_cannot_be_are_refused_before_any_work() -> None:
    unread = iter([sample_image(9, 9)])
    model = takes_patches()
    fast = tv.optimize(model, "eager")
    for wrong, options, words in (
        (tv.create_model("test_resnet", seed=0), {}, "this 'resnet' takes images only"),
        (takes_patches(embed_proj_type="conv"), {}, "takes images only"),
        (model, {"engine": "openvino"}, "goes without it"),
        (fast, {}, "goes without it"),
        (model, {"max_seq_len": 0}, "max_seq_len must be"),
    ):
        with pytest.raises(tv.UsageError, match=words):
            tv.predict(wrong, unread, **{"max_seq_len": 9, **options})  # type: ignore[arg-type]
    assert len(list(unread)) == 1


def test_an_engine_gives_equal_classes(model: tv.ImageModel) -> None:
    photos = [sample_image(90, 60), sample_image(40, 80), sample_image(64, 64)]
    wanted = list(tv.predict(model, photos))
    fast = tv.optimize(model, "eager", batch_size=2)
    for found in (tv.predict(model, photos, engine="eager"), tv.predict(fast, photos)):
        for row, row_wanted in zip(found, wanted, strict=True):
            assert [c.name for c in row.classes] == [c.name for c in row_wanted.classes]
            assert [c.probability for c in row.classes] == pytest.approx(
                [c.probability for c in row_wanted.classes], abs=1e-5
            )


def test_what_is_optimised_has_its_engine(model: tv.ImageModel) -> None:
    fast = tv.optimize(model, "eager")
    with pytest.raises(tv.UsageError, match="eager runs this model already"):
        tv.predict(fast, [], engine="eager")
