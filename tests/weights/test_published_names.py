"""Published weights know the names of their classes, and nothing else is given any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import typedvision as tv
from tests.preprocess.images import sample_image
from tests.weights.hub import COMMIT, Hub, running
from typedvision.config.class_names import ClassSet

TAG = "test_resnet.r160_in1k"
NAMES = ClassSet("imagenet1k")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of downloads from a hub that publishes one model of a thousand classes."""
    path = tmp_path / "model.safetensors"
    tv.save_model(tv.create_model("test_resnet", seed=8), path)
    served = Hub({(f"timm/{TAG}", COMMIT): {path.name: path.read_bytes()}})
    with running(served, monkeypatch):
        yield tmp_path / "cache"


@pytest.mark.parametrize("name", [TAG, "test_resnet", tv.specify(TAG)])
def test_weights_of_a_tag_bring_its_names(cache: Path, name: str | tv.ModelSpec) -> None:
    model = tv.create_model(name, pretrained=True, cache_dir=cache)
    assert model.spec.class_names == NAMES
    (found,) = tv.predict(model, [sample_image(90, 60)], top=1)
    assert found.classes[0].name == NAMES[found.classes[0].index]
    model.reset_classifier(1000)
    assert model.spec.class_names is None


def test_they_are_saved_as_a_reference(cache: Path, tmp_path: Path) -> None:
    model = tv.create_model(TAG, pretrained=True, cache_dir=cache)
    tv.save_model(model, tmp_path / "again.safetensors")
    assert tv.load_model(tmp_path / "again.safetensors").spec == model.spec
    assert '"class_names":"imagenet1k"' in model.spec.canonical()


def test_other_classes_and_other_weights_have_none(cache: Path, tmp_path: Path) -> None:
    fewer = tv.create_model(TAG, pretrained=True, cache_dir=cache, num_classes=7)
    backbone = tv.create_backbone(TAG, pretrained=True, cache_dir=cache)
    plain = tmp_path / "model.safetensors"
    assert fewer.spec.class_names is None
    assert backbone.spec.model.class_names is None
    assert tv.create_model(TAG, seed=0).spec.class_names is None
    assert tv.create_model(TAG, checkpoint_path=plain).spec.class_names is None


def test_names_of_ones_own_stay(cache: Path) -> None:
    names = [f"class {number}" for number in range(1000)]
    spec = tv.specify(TAG).replace(class_names=names)
    model = tv.create_model(spec, pretrained=True, cache_dir=cache)
    assert model.spec.class_names == tuple(names)


def test_which_set_a_tag_has() -> None:
    convnext = tv.family("convnext")
    kept = {tag: convnext.weights("convnext_tiny", tag) for tag in convnext.tags("convnext_tiny")}
    assert kept["fb_in22k"].class_names == ClassSet("imagenet22k")
    assert kept["in12k"].class_names == ClassSet("imagenet12k")
    assert kept["fb_in22k_ft_in1k"].class_names == NAMES
