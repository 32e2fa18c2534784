"""`create_backbone` and its siblings, as a user calls them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import typedvision as tv
from typedvision.weights.inspect import inspect


def test_the_levels_are_those_that_were_asked_for() -> None:
    backbone = tv.create_backbone("test_resnet", out_indices=(1, 3), output_fmt="NHWC", in_chans=1)
    assert backbone.out_indices == (1, 3)
    assert backbone.names == ("layer1", "layer3")
    assert backbone.channels == (32, 192)
    assert backbone.strides == (4, 16)
    assert backbone.left_out == ("layer4", "global_pool", "head_drop", "fc")
    shapes = [tuple(level.shape) for level in backbone(torch.rand(2, 1, 64, 64))]
    assert shapes == [(2, 16, 16, 32), (2, 4, 4, 192)]
    assert backbone.training


def test_by_default_all_levels_come_out() -> None:
    backbone = tv.create_backbone("test_resnet", device="meta")
    assert backbone.levels == backbone.model.feature_info
    assert backbone.output_fmt == "NCHW"


def test_a_spec_decides_what_the_call_leaves_open() -> None:
    spec = tv.create_backbone("test_vit", out_indices=(2, 0), output_fmt="NLC", device="meta").spec
    assert tv.create_backbone(spec, device="meta").spec == spec
    other = tv.create_backbone(spec, out_indices=[-1], output_fmt="NHWC", in_chans=1, device="meta")
    assert other.out_indices == (5,)
    assert other.spec.output_fmt == "NHWC"
    assert other.spec.model.config.in_chans == 1


def test_a_config_and_a_model_spec_are_fine() -> None:
    for given in (tv.configure("test_resnet"), tv.specify("test_resnet")):
        backbone = tv.create_backbone(given, out_indices=range(2), device="meta")
        assert backbone.out_indices == (0, 1)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"out_indices": (9,)}, "out_indices"),
        ({"out_indices": (1, 1)}, "out_indices"),
        ({"out_indices": ()}, "out_indices"),
        ({"out_indices": 3}, "out_indices"),
        ({"out_indices": "13"}, "out_indices[0]"),
        ({"output_fmt": "NHCW"}, "output_fmt"),
        ({"qkv_bias": True}, "qkv_bias"),
    ],
)
def test_a_wrong_call_is_told(options: dict[str, object], where: str) -> None:
    with pytest.raises(tv.ConfigError) as caught:
        tv.create_backbone("test_resnet", **options)  # type: ignore[call-overload]
    assert caught.value.problems[0].where() == where


def test_weights_come_from_one_place() -> None:
    with pytest.raises(tv.UsageError, match="both name weights"):
        tv.create_backbone("test_resnet", pretrained=True, checkpoint_path="x.safetensors")
    with pytest.raises(tv.UsageError, match="seed must be an integer"):
        tv.create_backbone("test_resnet", seed=True)


def test_the_limits_are_those_of_what_is_kept() -> None:
    backbone = tv.create_backbone("test_resnet", out_indices=(0,), device="meta")
    count = sum(parameter.numel() for parameter in backbone.parameters())
    tv.create_backbone("test_resnet", out_indices=(0,), limits=tv.Limits(params=count))
    with pytest.raises(tv.LimitError, match="'test_resnet' is larger"):
        tv.create_backbone("test_resnet", out_indices=(0,), limits=tv.Limits(params=count - 1))


@pytest.fixture
def backbone() -> tv.Backbone[tv.ImageModel]:
    spec = tv.BackboneSpec(model=tv.specify("test_resnet"), out_indices=(2, 0))
    return tv.create_backbone(spec, seed=1).eval()


@pytest.fixture
def saved(backbone: tv.Backbone[tv.ImageModel], tmp_path: Path) -> Path:
    path = tmp_path / "backbone.safetensors"
    tv.save_model(backbone, path)
    return path


def test_a_file_says_what_it_holds(saved: Path, backbone: tv.Backbone[tv.ImageModel]) -> None:
    checkpoint = inspect(saved)
    assert checkpoint.spec == backbone.spec
    assert set(checkpoint.tensors) == set(backbone.model.state_dict())
    with pytest.raises(tv.WeightsError, match=r"holds a backbone: write load_backbone\("):
        tv.load_model(saved)


def test_a_models_file_is_no_backbones(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tv.save_model(tv.create_model("test_resnet"), path)
    with pytest.raises(tv.WeightsError, match=r"no backbone: write create_backbone\(NAME"):
        tv.load_backbone(path)


def test_a_smaller_backbone_takes_a_larger_ones_weights(saved: Path) -> None:
    small = tv.create_backbone("test_resnet", out_indices=(1,), in_chans=1, checkpoint_path=saved)
    assert small.load_report is not None
    assert small.load_report.adapted == {"conv1.0.weight": "input channels 3 -> 1"}
    assert all(key.startswith("layer2.") for key in small.load_report.dropped)
    with pytest.raises(tv.WeightsError, match=r"layer3\.0\.conv1\.weight.*missing"):
        tv.create_backbone("test_resnet", out_indices=(3,), checkpoint_path=saved)


def test_only_what_was_cut_may_be_there_for_nothing(tmp_path: Path) -> None:
    state = dict(tv.create_model("test_resnet", seed=0).state_dict())
    path = tmp_path / "other.safetensors"
    save_file({**state, "layer9.weight": torch.zeros(1)}, path)
    with pytest.raises(tv.WeightsError, match="1 unexpected"):
        tv.create_backbone("test_resnet", out_indices=(1,), checkpoint_path=path)


def test_its_own_state_dict_loads_into_it(
    tmp_path: Path, backbone: tv.Backbone[tv.ImageModel]
) -> None:
    path = tmp_path / "state.safetensors"
    save_file(backbone.state_dict(), path)
    other = tv.create_backbone(backbone.spec, checkpoint_path=path).eval()
    x = torch.rand(1, 3, 64, 64)
    assert all(map(torch.equal, other(x), backbone(x)))


def test_a_backbone_on_the_meta_device_is_given_its_weights(
    saved: Path, backbone: tv.Backbone[tv.ImageModel]
) -> None:
    unloaded = tv.create_backbone(backbone.spec, device="meta")
    tv.load_weights(unloaded, saved)
    x = torch.rand(1, 3, 64, 64)
    assert all(map(torch.equal, unloaded.eval()(x), backbone(x)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0, "weight_decay": 0.0}, "lr must be a number of at least 0"),
        ({"lr": float("nan"), "weight_decay": 0.0}, "lr must be a number of at least 0"),
        ({"lr": float("inf"), "weight_decay": 0.0}, "got inf"),
        ({"lr": "1", "weight_decay": 0.0}, "must be a number of at least 0; got '1'"),
        ({"lr": 1.0, "weight_decay": -0.1}, "weight_decay must be a number of at least 0"),
        ({"lr": 1.0, "weight_decay": 0.0, "layer_decay": 0.0}, "layer_decay must be more than 0"),
        ({"lr": 1.0, "weight_decay": 0.0, "layer_decay": 1.5}, "and at most 1; got 1.5"),
    ],
)
def test_a_wrong_rate_is_told(options: dict[str, float], message: str) -> None:
    model = tv.create_model("test_resnet", device="meta")
    with pytest.raises(tv.UsageError, match=message):
        tv.parameter_groups(model, **options)


REFUSED: dict[str, Callable[[tv.ImageModel, Path], object]] = {
    "reset_classifier": lambda model, path: model.reset_classifier(2),
    "save_model": tv.save_model,
    "export_model": lambda model, path: tv.export_model(model, path, format="pt2"),
    "predict": lambda model, path: tv.predict(model, []),
}


@pytest.mark.parametrize("use", REFUSED.values(), ids=REFUSED)
def test_the_model_of_a_backbone_is_no_whole_model(
    use: Callable[[tv.ImageModel, Path], object], tmp_path: Path
) -> None:
    model = tv.create_backbone("test_resnet", out_indices=(1,)).model
    spec, keys = model.spec, set(model.state_dict())
    with pytest.raises(tv.UsageError, match="model of a backbone, without 'layer2' and what fol"):
        use(model, tmp_path / "model.out")
    assert model.spec == spec
    assert set(model.state_dict()) == keys
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("until", [None, True, 1.0, ["layer1"]])
def test_what_says_no_layer_freezes_nothing(until: object) -> None:
    model = tv.create_model("test_resnet", device="meta")
    with pytest.raises(tv.UsageError, match="freeze takes the path of a module, or how many"):
        model.freeze(until)  # type: ignore[arg-type]
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_groups_are_of_a_model() -> None:
    with pytest.raises(tv.UsageError, match="parameter_groups takes what create_model or"):
        tv.parameter_groups(tv.specify("test_resnet"), lr=1.0, weight_decay=0.0)  # type: ignore[arg-type]
