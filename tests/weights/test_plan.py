"""The plan: only what it names may differ, and an error names everything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import typedvision as tv
from typedvision.errors import WeightsError

State = dict[str, Tensor]


def write(path: Path, state: State) -> Path:
    file = path / "other.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, file)
    return file


@pytest.fixture
def state(model: tv.ImageModel) -> State:
    return dict(model.state_dict())


def test_a_new_classifier_is_initialised(saved: Path, state: State) -> None:
    model = tv.create_model("test_resnet", num_classes=7, checkpoint_path=saved, seed=4)
    report = model.load_report
    assert report is not None
    assert report.initialised == ("fc.weight", "fc.bias")
    assert set(report.dropped) == {"fc.weight", "fc.bias"}
    fresh = tv.create_model("test_resnet", num_classes=7, seed=4).state_dict()
    loaded = model.state_dict()
    for key, tensor in loaded.items():
        wanted = fresh[key] if key.startswith("fc.") else state[key]
        assert torch.equal(tensor, wanted), key


def test_no_classifier_leaves_the_old_one(saved: Path) -> None:
    model = tv.create_model("test_resnet", num_classes=0, checkpoint_path=saved)
    assert model.load_report is not None
    assert set(model.load_report.dropped) == {"fc.weight", "fc.bias"}
    assert model.load_report.initialised == ()


def test_a_file_without_a_classifier_gets_a_new_one(tmp_path: Path, state: State) -> None:
    body = {key: tensor for key, tensor in state.items() if not key.startswith("fc.")}
    model = tv.create_model("test_resnet", checkpoint_path=write(tmp_path, body))
    assert model.load_report is not None
    assert model.load_report.initialised == ("fc.weight", "fc.bias")


def test_the_first_convolution_follows_in_chans(saved: Path, state: State) -> None:
    model = tv.create_model("test_resnet", num_classes=5, in_chans=1, checkpoint_path=saved)
    assert model.load_report is not None
    assert model.load_report.adapted == {"conv1.0.weight": "input channels 3 -> 1"}
    total = state["conv1.0.weight"].sum(dim=1, keepdim=True)
    torch.testing.assert_close(model.state_dict()["conv1.0.weight"], total)


def test_patches_and_positions_follow_the_size(tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    tv.save_model(tv.create_model("test_vit", seed=1), path)
    model = tv.create_model("test_vit", img_size=64, patch_size=8, in_chans=2, checkpoint_path=path)
    assert model.load_report is not None
    assert model.load_report.adapted == {
        "pos_embed": "position grid 10x10 -> 8x8",
        "patch_embed.proj.weight": "patch kernel 16x16 -> 8x8, input channels 3 -> 2",
    }
    assert model.eval()(torch.rand(1, 2, 64, 64)).isfinite().all()


SMALL_SWIN = {"img_size": 16, "embed_dim": 8, "depths": (1, 2), "num_heads": (1, 2)}


def test_relative_positions_follow_the_window(tmp_path: Path) -> None:
    name, path = "swin_tiny_patch4_window7_224", tmp_path / "swin.safetensors"
    tv.save_model(tv.create_model(name, **SMALL_SWIN, seed=1), path)
    wider = {**SMALL_SWIN, "img_size": (16, 32)}
    model = tv.create_model(name, **wider, checkpoint_path=path)
    assert model.load_report is not None
    assert model.load_report.adapted == {
        "layers.0.blocks.0.attn.relative_position_bias_table": "window 4x4 -> 4x7",
        "layers.1.blocks.0.attn.relative_position_bias_table": "window 2x2 -> 2x4",
        "layers.1.blocks.1.attn.relative_position_bias_table": "window 2x2 -> 2x4",
    }
    assert model.eval()(torch.rand(1, 3, 16, 32)).isfinite().all()


@pytest.mark.parametrize("shape", [(48, 1), (36, 1), (25, 2)])
def test_relative_positions_of_no_square_window_are_an_error(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    name, key = (
        "swin_tiny_patch4_window7_224",
        "layers.0.blocks.0.attn.relative_position_bias_table",
    )
    state = dict(tv.create_model(name, **SMALL_SWIN, seed=1).state_dict())
    state[key] = torch.zeros(shape)
    with pytest.raises(WeightsError) as caught:
        tv.create_model(name, **SMALL_SWIN, checkpoint_path=write(tmp_path, state))
    assert [problem.path for problem in caught.value.problems] == [(key,)]


SMALL_BEIT = {"img_size": 32, "patch_size": 8, "embed_dim": 8, "depth": 1, "num_heads": 2}
TABLE = "blocks.0.attn.relative_position_bias_table"


def test_the_rows_of_the_class_token_stay(tmp_path: Path) -> None:
    name = "beit_base_patch16_224"
    state = dict(tv.create_model(name, **SMALL_BEIT, seed=1).state_dict())
    state[TABLE] = torch.randn(7 * 7 + 3, 2)
    wider = {**SMALL_BEIT, "img_size": (32, 48)}
    model = tv.create_model(name, **wider, checkpoint_path=write(tmp_path, state))
    assert model.load_report is not None
    assert model.load_report.adapted == {TABLE: "window 4x4 -> 4x6"}
    table = model.state_dict()[TABLE]
    assert table.shape == (7 * 11 + 3, 2)
    assert torch.equal(table[-3:], state[TABLE][-3:])


@pytest.mark.parametrize("rows", [2, 3, 7 * 7, 7 * 7 + 2, 6 * 6 + 3])
def test_a_table_without_the_rows_of_the_class_token_is_an_error(tmp_path: Path, rows: int) -> None:
    name = "beit_base_patch16_224"
    state = dict(tv.create_model(name, **SMALL_BEIT, seed=1).state_dict())
    state[TABLE] = torch.zeros(rows, 2)
    with pytest.raises(WeightsError) as caught:
        tv.create_model(name, **SMALL_BEIT, checkpoint_path=write(tmp_path, state))
    assert [problem.path for problem in caught.value.problems] == [(TABLE,)]


def test_buffers_of_older_checkpoints_are_left(tmp_path: Path) -> None:
    name, old = "beit_base_patch16_224", "blocks.0.attn.relative_position_index"
    state = dict(tv.create_model(name, **SMALL_BEIT, seed=1).state_dict())
    state[old] = torch.zeros(17, 17, dtype=torch.int64)
    file = write(tmp_path, state)
    model = tv.create_model(name, **SMALL_BEIT, checkpoint_path=file)
    assert model.load_report is not None
    assert model.load_report.dropped == {old: "computed by the model"}
    del state[old]
    state["relative_position_indexes"] = torch.zeros(1)
    with pytest.raises(WeightsError, match="1 unexpected"):
        tv.create_model(name, **SMALL_BEIT, checkpoint_path=write(tmp_path, state))


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module._orig_mod."])
def test_what_wrappers_put_before_is_taken_off(tmp_path: Path, state: State, prefix: str) -> None:
    path = write(tmp_path, {prefix + key: tensor for key, tensor in state.items()})
    model = tv.create_model("test_resnet", num_classes=5, checkpoint_path=path)
    assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("test_byobnet", r"(stem|conv\w+)\.act\.", r"\1.bn.act."),
        ("test_efficientnet", r"(?<!se\.)act(\d)\.", r"bn\1.act."),
    ],
)
def test_a_normalisation_may_hold_its_activation(
    tmp_path: Path, name: str, ours: str, theirs: str
) -> None:
    whole = dict(tv.create_model(name, act_layer="prelu", seed=1).state_dict())
    slopes = [key for key in whole if re.search(ours, key)]
    for number, key in enumerate(slopes):
        whole[key] = torch.full((1,), number / 10)
    held = {f"module.{re.sub(ours, theirs, key)}": tensor for key, tensor in whole.items()}
    path = write(tmp_path, held)
    model = tv.create_model(name, act_layer="prelu", checkpoint_path=path)
    assert len(slopes) > 5
    assert all(torch.equal(tensor, whole[key]) for key, tensor in model.state_dict().items())
    with pytest.raises(WeightsError, match=r"_\w+': \d+ unexpected"):
        tv.create_model(name, act_layer="relu", checkpoint_path=path)


def test_a_prefix_that_some_lack_is_none(tmp_path: Path, state: State) -> None:
    half = {k if k.startswith("fc") else f"module.{k}": v for k, v in state.items()}
    with pytest.raises(WeightsError):
        tv.create_model("test_resnet", num_classes=5, checkpoint_path=write(tmp_path, half))


def test_step_counters_may_be_missing(tmp_path: Path, state: State) -> None:
    old = {key: tensor for key, tensor in state.items() if "num_batches" not in key}
    model = tv.create_model("test_resnet", num_classes=5, checkpoint_path=write(tmp_path, old))
    assert model.load_report is not None
    assert all(key.endswith("num_batches_tracked") for key in model.load_report.initialised)
    assert model.load_report.initialised
    assert model.state_dict()["bn1.num_batches_tracked"] == 0


def test_every_problem_is_listed(tmp_path: Path, state: State) -> None:
    del state["bn1.weight"]
    del state["layer1.0.conv1.weight"]
    state["stranger"] = torch.zeros(2)
    state["layer2.0.conv1.weight"] = torch.zeros(1, 2, 3, 3)
    state["layer2.0.bn1.bias"] = torch.zeros(48, dtype=torch.int64)
    path = write(tmp_path, state)
    with pytest.raises(WeightsError) as caught:
        tv.create_model("test_resnet", num_classes=5, checkpoint_path=path)
    error = caught.value
    found = {(*problem.path, problem.kind) for problem in error.problems}
    assert found == {
        ("bn1.weight", "missing"),
        ("layer1.0.conv1.weight", "missing"),
        ("stranger", "unknown"),
        ("layer2.0.conv1.weight", "value"),
        ("layer2.0.bn1.bias", "type"),
    }
    assert "2 missing, 1 unexpected, 2 misshaped" in error.summary
    assert re.search(r"must have the shape \(\d+, \d+, 3, 3\)", str(error))


def test_nothing_shared_is_always_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, {"encoder.weight": torch.zeros(3)})
    for classes in (5, 7, 0):
        with pytest.raises(WeightsError, match="shares no tensor"):
            tv.create_model("test_resnet", num_classes=classes, checkpoint_path=path)


def test_a_classifier_alone_is_no_checkpoint(tmp_path: Path, state: State) -> None:
    head = {key: tensor for key, tensor in state.items() if key.startswith("fc.")}
    with pytest.raises(WeightsError, match="shares no tensor"):
        tv.create_model("test_resnet", num_classes=5, checkpoint_path=write(tmp_path, head))


@pytest.mark.parametrize(
    "key", ["layer1.0.conv1.weight", "bn1.running_mean", "fc.bias", "conv1.0.weight"]
)
def test_no_tensor_may_be_missing(tmp_path: Path, state: State, key: str) -> None:
    del state[key]
    with pytest.raises(WeightsError) as caught:
        tv.create_model("test_resnet", num_classes=5, checkpoint_path=write(tmp_path, state))
    assert [problem.path for problem in caught.value.problems] == [(key,)]


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("fc.weight", (5, 7)),  # as many classes, of other features
        ("conv1.0.weight", (9, 3, 3, 3)),  # other output channels
        ("conv1.0.weight", (24, 3, 5, 5)),  # another kernel, which is no patch
    ],
)
def test_what_no_adaptation_explains_is_an_error(
    tmp_path: Path, state: State, key: str, shape: tuple[int, ...]
) -> None:
    state[key] = torch.zeros(shape)
    with pytest.raises(WeightsError) as caught:
        tv.create_model("test_resnet", num_classes=5, checkpoint_path=write(tmp_path, state))
    assert [problem.path for problem in caught.value.problems] == [(key,)]


def test_a_table_that_is_no_square_is_an_error(tmp_path: Path) -> None:
    state = dict(tv.create_model("test_vit", seed=1).state_dict())
    state["pos_embed"] = torch.zeros(1, 1 + 99, state["pos_embed"].shape[2])
    with pytest.raises(WeightsError, match="pos_embed"):
        tv.create_model("test_vit", img_size=64, checkpoint_path=write(tmp_path, state))


def test_a_file_of_ours_must_fit_its_spec(saved: Path) -> None:
    """`load_model` adapts nothing: what the file says it is, it is."""
    content = saved.read_bytes()
    assert content.count(b'"fc.weight":') == 1
    saved.write_bytes(
        content.replace(b'"fc.weight":', b'"fc.weighs":').replace(
            b'\\"fc.weight\\":', b'\\"fc.weighs\\":'
        )
    )
    with pytest.raises(WeightsError, match="1 missing, 1 unexpected"):
        tv.load_model(saved)


def test_sources_cannot_be_mixed(saved: Path) -> None:
    with pytest.raises(tv.UsageError):
        tv.create_model("test_resnet", pretrained=True, checkpoint_path=saved)
    with pytest.raises(tv.UsageError):
        tv.create_model("resnet50.a1_in1k", pretrained="a2_in1k")
    with pytest.raises(tv.UnknownNameError, match="no_such"):
        tv.create_model("resnet50", pretrained="no_such")
    with pytest.raises(WeightsError, match="no weights are published"):
        tv.create_model("ecaresnet200d", pretrained=True)
    with pytest.raises(WeightsError, match="no weights are published for a config"):
        tv.create_model(tv.configure("test_resnet"), pretrained=True)
