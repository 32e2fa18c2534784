"""What is saved is what the spec says, and what the user allows; else it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import parametrize, prune

import typedvision as tv


@pytest.fixture
def model() -> tv.ImageModel:
    return tv.create_model("test_resnet", num_classes=5, seed=1)


class Quantised(torch.Tensor):
    """A tensor of another kind, as quantisation libraries make them."""


class LowRank(nn.Module):
    """A linear layer with a low-rank addition, as adapters wrap it."""

    def __init__(self, base_layer: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.lora_A = nn.Linear(base_layer.in_features, 2, bias=False)


def own_head(model: tv.ImageModel) -> None:
    model.set_submodule("fc", nn.Sequential(nn.Linear(model.num_features, 8), nn.Linear(8, 3)))


def wider_head(model: tv.ImageModel) -> None:
    model.set_submodule("fc", nn.Linear(model.num_features, 7))


def adapters(model: tv.ImageModel) -> None:
    layer = model.get_submodule("fc")
    assert isinstance(layer, nn.Linear)
    model.set_submodule("fc", LowRank(layer))


def parametrized(model: tv.ImageModel) -> None:
    parametrize.register_parametrization(model.get_submodule("fc"), "weight", nn.Identity())


def pruned(model: tv.ImageModel) -> None:
    prune.l1_unstructured(model.get_submodule("layer1.0.conv1"), "weight", 0.5)


def without_a_stage(model: tv.ImageModel) -> None:
    model.set_submodule("layer4", nn.Identity())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (own_head, "reset_classifier gives another classifier"),
        (wider_head, "reset_classifier gives another classifier"),
        (adapters, "merge the low-rank weights"),
        (parametrized, "remove_parametrizations"),
        (pruned, "prune.remove"),
        (without_a_stage, "is not in the model"),
    ],
)
def test_what_would_not_load_is_not_saved(
    model: tv.ImageModel, tmp_path: Path, change: object, reason: str
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("what was there")
    assert callable(change)
    change(model)
    with pytest.raises(tv.UsageError, match="not what the spec of 'test_resnet' says") as caught:
        tv.save_model(model, path)
    assert reason in str(caught.value)
    assert caught.value.problems
    assert path.read_text() == "what was there"


def test_layers_of_ones_own_may_come_too(model: tv.ImageModel, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model.add_module("teacher", nn.Linear(2, 2))
    tv.save_model(model, path, allow_extra=True)
    loaded = tv.load_model(path, verify=True)
    assert loaded.spec == model.spec
    assert loaded.load_report is not None
    assert set(loaded.load_report.dropped) == {"teacher.weight", "teacher.bias"}
    assert set(loaded.load_report.dropped.values()) == {"the user's own"}
    tensors = load_file(path)
    assert torch.equal(tensors["teacher.weight"], model.get_submodule("teacher").weight)
    assert set(tv.inspect(path).extra) == {"teacher.weight", "teacher.bias"}


def test_a_head_of_ones_own_stands_for_the_classifier(model: tv.ImageModel, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    own_head(model)
    tv.save_model(model, path, allow_extra=True)
    loaded = tv.load_model(path).eval()
    assert loaded.num_classes == 0
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        wanted = model.eval().forward_head(model.forward_features(x), pre_logits=True)
        torch.testing.assert_close(loaded(x), wanted)
    head = nn.Sequential(nn.Linear(model.num_features, 8), nn.Linear(8, 3))
    own = {key: tensor for key, tensor in load_file(path).items() if key.startswith("fc.")}
    head.load_state_dict({key.removeprefix("fc."): tensor for key, tensor in own.items()})
    torch.testing.assert_close(head(loaded(x)), model(x))


def test_extra_is_no_excuse_for_what_is_missing(model: tv.ImageModel, tmp_path: Path) -> None:
    pruned(model)
    with pytest.raises(tv.UsageError, match=r"layer1\.0\.conv1\.weight"):
        tv.save_model(model, tmp_path / "model.safetensors", allow_extra=True)


def test_a_quantised_model_is_refused(tmp_path: Path) -> None:
    model = tv.create_model("test_vit", seed=0)
    model.register_buffer("scale", torch.zeros(3).as_subclass(Quantised))
    with pytest.raises(tv.UsageError, match="before it is quantised"):
        tv.save_model(model, tmp_path / "model.safetensors", allow_extra=True)


def test_what_changed_in_training_is_in_the_saved_spec(
    model: tv.ImageModel, tmp_path: Path
) -> None:
    path, before = tmp_path / "model.safetensors", model.spec
    image = model.spec.image.replace(size=(64, 64))
    names = ["a", "b", "c", "d", "e"]
    tv.save_model(model, path, image=image, class_names=names, metadata={"accuracy": 0.9})
    spec = tv.load_model(path).spec
    assert spec.image.size == (64, 64)
    assert spec.class_names == tuple(names)
    assert spec.metadata == {"accuracy": 0.9}
    assert model.spec == before


def test_an_image_that_the_model_does_not_take_is_refused(tmp_path: Path) -> None:
    model = tv.create_model("vit_tiny_patch16_224", depth=1)
    with pytest.raises(tv.UsageError, match="takes images of 224 x 224 pixels"):
        tv.save_model(model, tmp_path / "x", image=model.spec.image.replace(size=(64, 64)))
    assert list(tmp_path.iterdir()) == []


def test_an_image_of_another_size_than_the_model_was_made_for_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = tv.create_model("xcit_nano_12_p16_224", depth=1, num_classes=3)
    image = model.spec.image.replace(size=(64, 64))
    tv.save_model(model, path, image=image)
    loaded = tv.load_model(path)
    assert loaded.spec.image == image
    assert loaded(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def test_an_image_that_leaves_nothing_to_a_layer_is_refused(tmp_path: Path) -> None:
    model = tv.create_model("test_convnext")
    with pytest.raises(tv.UsageError, match=r"no image of \(7, 9\) pixels can be the model's"):
        tv.save_model(model, tmp_path / "x", image=model.spec.image.replace(size=(7, 9)))
    assert list(tmp_path.iterdir()) == []


def test_what_the_layers_of_a_backbone_take_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    backbone = tv.create_backbone("test_convnext", out_indices=(0,))
    tv.save_model(backbone, path, image=backbone.spec.model.image.replace(size=(7, 9)))
    assert tv.load_backbone(path).spec.model.image.size == (7, 9)
