"""One file is the model: what is saved comes back, to the bit, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

import typedvision as tv
from typedvision.errors import LimitError, UsageError, WeightsError
from typedvision.weights.inspect import inspect
from typedvision.weights.save import ALIGNMENT

SMALL = ["test_resnet", "test_vit", "test_efficientnet"]


def same(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("name", SMALL)
def test_a_file_alone_gives_the_model_back(tmp_path: Path, name: str) -> None:
    model = tv.create_model(name, num_classes=10, in_chans=1, seed=3).eval()
    path = tmp_path / "model.safetensors"
    tv.save_model(model, path)
    loaded = tv.load_model(path).eval()
    assert type(loaded) is type(model)
    assert loaded.spec == model.spec
    assert same(loaded, model)
    height, width = model.spec.image.size
    image = torch.rand(2, 1, height, width)
    with torch.no_grad():
        assert torch.equal(loaded(image), model(image))
    assert loaded.load_report is not None
    assert set(loaded.load_report.matched) == set(model.state_dict())
    assert model.load_report is None


@pytest.mark.parametrize("name", SMALL)
def test_a_loaded_model_trains(tmp_path: Path, name: str) -> None:
    model = tv.create_model(name, seed=3)
    frozen = next(iter(model.parameters()))
    path = tmp_path / "model.safetensors"
    tv.save_model(model, path)
    before = path.read_bytes()
    loaded = tv.load_model(path)
    assert frozen.requires_grad
    assert loaded.training
    optimizer = torch.optim.SGD(loaded.parameters(), lr=0.1)
    height, width = model.spec.image.size
    loaded(torch.rand(2, 3, height, width)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in loaded.parameters())
    optimizer.step()
    assert not same(loaded, model)
    assert path.read_bytes() == before  # what is written to the mapped memory stays private


def test_dtype_is_kept_or_converted(model: tv.ImageModel, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    half = tv.create_model("test_resnet", seed=1, dtype=torch.bfloat16)
    tv.save_model(half, path)
    assert same(tv.load_model(path), half)
    wide = tv.load_model(path, dtype=torch.float64)
    kinds = {t.dtype for t in wide.state_dict().values()}
    assert kinds == {torch.float64, torch.int64}
    created = tv.create_model("test_resnet", checkpoint_path=path)
    assert next(created.parameters()).dtype == torch.float32  # create_model's own default


def test_buffers_that_no_file_holds_are_recomputed(tmp_path: Path) -> None:
    path = tmp_path / "blur.safetensors"
    model = tv.create_model("test_resnet", aa_layer="blur", seed=1, dtype=torch.bfloat16).eval()
    unsaved = dict(model.named_buffers()).keys() - model.state_dict().keys()
    assert unsaved
    tv.save_model(model, path)
    loaded = tv.load_model(path).eval()
    buffers = dict(loaded.named_buffers())
    for key, buffer in model.named_buffers():
        assert buffers[key].dtype == buffer.dtype
        assert torch.equal(buffers[key], buffer)


def test_meta_device_checks_and_loads_nothing(saved: Path) -> None:
    model = tv.load_model(saved, device="meta")
    assert all(tensor.is_meta for tensor in model.state_dict().values())
    assert model.load_report is not None


def test_the_file_is_ordinary_safetensors(model: tv.ImageModel, saved: Path) -> None:
    with safe_open(saved, "pt") as file:
        assert file.metadata()["format"] == "pt"
        assert set(file.keys()) == set(model.state_dict())
        assert all(torch.equal(file.get_tensor(k), t) for k, t in model.state_dict().items())


def test_large_tensors_are_mapped_and_aligned(saved: Path) -> None:
    model = tv.load_model(saved)
    for key, tensor in model.state_dict().items():
        assert tensor.data_ptr() % ALIGNMENT == 0, key
    sizes = [info for info in inspect(saved).tensors.values() if info.size % ALIGNMENT == 0]
    assert len(sizes) > 50
    assert all(info.start % ALIGNMENT == 0 for info in sizes)


def test_saving_over_the_file_that_a_model_maps(model: tv.ImageModel, saved: Path) -> None:
    loaded = tv.load_model(saved)
    tv.save_model(tv.create_model("test_resnet", num_classes=5, seed=2), saved)
    assert same(loaded, model)
    tv.save_model(loaded, saved)
    assert same(tv.load_model(saved), model)


def test_channels_last_and_views_are_saved_whole(tmp_path: Path) -> None:
    model = tv.create_model("test_resnet", seed=1)
    model.to(memory_format=torch.channels_last)
    tv.save_model(model, tmp_path / "m.safetensors")
    assert same(tv.load_model(tmp_path / "m.safetensors"), model)


def test_verify_finds_one_changed_bit(saved: Path) -> None:
    info = inspect(saved).tensors["layer1.0.conv1.weight"]
    content = bytearray(saved.read_bytes())
    content[info.start + 5] ^= 1
    saved.write_bytes(content)
    tv.load_model(saved)  # nothing is read that is not asked for
    with pytest.raises(WeightsError) as caught:
        tv.load_model(saved, verify=True)
    assert [problem.path for problem in caught.value.problems] == [("layer1.0.conv1.weight",)]


def test_a_file_without_a_spec_needs_a_name(saved: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    other = tmp_path / "other.safetensors"
    save_file(load_file(saved), other)
    with pytest.raises(WeightsError, match="create_model"):
        tv.load_model(other)
    model = tv.create_model("test_resnet", num_classes=5, checkpoint_path=other)
    assert same(model, tv.load_model(saved))


def test_limits_hold_for_files(saved: Path) -> None:
    with pytest.raises(LimitError):
        tv.load_model(saved, limits=tv.Limits(params=1000))


def test_only_whole_models_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(UsageError, match="Linear"):
        tv.save_model(nn.Linear(2, 2), path)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="meta device"):
        tv.save_model(tv.create_model("test_resnet", device="meta"), path)
    assert os.listdir(tmp_path) == []


def test_deepcopy_and_state_dict_of_a_loaded_model(model: tv.ImageModel, saved: Path) -> None:
    import copy
    import io

    loaded = copy.deepcopy(tv.load_model(saved))
    assert same(loaded, model)
    buffer = io.BytesIO()
    torch.save(loaded.state_dict(), buffer)
    assert len(buffer.getvalue()) < 1.3 * saved.stat().st_size


def test_names_of_classes_travel_in_the_file(tmp_path: Path) -> None:
    path, model = tmp_path / "model.safetensors", tv.create_model("test_resnet", num_classes=2)
    tv.save_model(model, path, class_names=["cat", "dog"])
    loaded = tv.load_model(path)
    assert loaded.spec.class_names == ("cat", "dog")
    tv.save_model(loaded, path)  # as they were
    again = tv.load_model(path)
    assert again.spec == loaded.spec
    again.reset_classifier(3)
    assert again.spec.class_names is None
    with pytest.raises(tv.ConfigError, match=r"'class_names' are 2 for 'config\.num_classes' = 3"):
        tv.save_model(again, path, class_names=["cat", "dog"])
    assert tv.load_model(path).spec == loaded.spec


def test_names_of_classes_come_with_their_classifier(tmp_path: Path) -> None:
    path, names = tmp_path / "model.safetensors", ("cat", "dog")
    tv.save_model(tv.create_model("test_resnet", num_classes=2), path, class_names=names)
    model = tv.create_model("test_resnet", num_classes=2, checkpoint_path=path)
    assert model.spec.class_names == names
    unloaded = tv.create_model("test_resnet", num_classes=2, device="meta")
    tv.load_weights(unloaded, path)
    assert unloaded.spec.class_names == names
    own = tv.specify("test_resnet", num_classes=2).replace(class_names=("oak", "elm"))
    assert tv.create_model(own, checkpoint_path=path).spec == own
    for other in (0, 3):
        model = tv.create_model("test_resnet", num_classes=other, checkpoint_path=path)
        assert model.spec.class_names is None
    backbone = tv.create_backbone("test_resnet", num_classes=2, checkpoint_path=path)
    assert backbone.spec.model.class_names is None


def test_a_fresh_classifier_has_no_names(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tv.save_model(tv.create_model("test_resnet", num_classes=2), path, class_names=["cat", "dog"])
    model = tv.load_model(path)
    model.reset_classifier(2)
    assert model.spec.class_names is None


@pytest.mark.parametrize("seed", ["1", 1.0, True])
def test_a_seed_is_an_integer(saved: Path, seed: int) -> None:
    unloaded = tv.create_model("test_resnet", device="meta")
    model = tv.create_model("test_resnet")
    with pytest.raises(UsageError, match="seed must be an integer"):
        tv.load_weights(unloaded, saved, seed=seed)
    with pytest.raises(UsageError, match="seed must be an integer"):
        model.reset_classifier(2, seed=seed)
    with pytest.raises(UsageError, match="seed must be an integer"):
        model.init_weights(seed)
    assert model.num_classes == 1000
