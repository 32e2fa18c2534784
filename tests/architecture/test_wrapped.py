"""What training wraps around a model does not hide it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

import typedvision as tv
from tests.preprocess.images import sample_image

Wrap = Callable[[nn.Module], nn.Module]


@pytest.fixture(scope="module", autouse=True)
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A group of one process, which DistributedDataParallel asks for."""
    store = tmp_path_factory.mktemp("group") / "store"
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def compiled(model: nn.Module) -> nn.Module:
    found = torch.compile(model, backend="eager")
    assert isinstance(found, nn.Module)
    return found


WRAPS: dict[str, Wrap] = {
    "compiled": compiled,
    "parallel": DistributedDataParallel,
    "averaged": AveragedModel,
    "all": lambda model: AveragedModel(DistributedDataParallel(compiled(model))),
}


@pytest.fixture(params=WRAPS)
def wrap(request: pytest.FixtureRequest) -> Wrap:
    return WRAPS[request.param]


@pytest.fixture
def model() -> tv.ImageModel:
    return tv.create_model("test_resnet", num_classes=5, seed=1)


def test_it_is_saved_as_it_is_inside(model: tv.ImageModel, wrap: Wrap, tmp_path: Path) -> None:
    plain, wrapped = tmp_path / "plain", tmp_path / "wrapped"
    tv.save_model(model, plain)
    tv.save_model(wrap(model), wrapped)
    assert plain.read_bytes() == wrapped.read_bytes()


def test_its_parameters_are_grouped(model: tv.ImageModel, wrap: Wrap) -> None:
    around = wrap(model)
    options = {"lr": 1e-3, "weight_decay": 0.1, "layer_decay": 0.5}
    groups, wanted = tv.parameter_groups(around, **options), tv.parameter_groups(model, **options)
    assert [(g["lr"], g["weight_decay"], len(g["params"])) for g in groups] == [
        (g["lr"], g["weight_decay"], len(g["params"])) for g in wanted
    ]
    held = {id(parameter) for group in groups for parameter in group["params"]}
    assert held == {id(parameter) for parameter in around.parameters()}


def test_it_predicts_and_is_described(model: tv.ImageModel, wrap: Wrap) -> None:
    around, image = wrap(model), sample_image(90, 60)
    assert list(tv.predict(around, [image])) == list(tv.predict(model, [image]))
    assert tv.summarize(around) == tv.summarize(model)
    assert tv.make_transform(around).image_spec == model.spec.image


def test_it_is_exported(model: tv.ImageModel, tmp_path: Path) -> None:
    around = AveragedModel(model)
    report = tv.export_model(around, tmp_path / "model.pt2", format="pt2", img_size=32)
    assert report.difference is not None


@pytest.mark.parametrize("path", ["layer2", "layer2.0.conv1"])
def test_a_compiled_part_keeps_its_key(model: tv.ImageModel, path: str, tmp_path: Path) -> None:
    plain, partly = tmp_path / "plain", tmp_path / "partly"
    options = {"lr": 1e-3, "weight_decay": 0.1, "layer_decay": 0.5}
    wanted = tv.parameter_groups(model, **options)
    tv.save_model(model, plain)
    model.set_submodule(path, compiled(model.get_submodule(path)))
    tv.save_model(model, partly)
    assert plain.read_bytes() == partly.read_bytes()
    assert [len(group["params"]) for group in tv.parameter_groups(model, **options)] == [
        len(group["params"]) for group in wanted
    ]


def test_what_is_no_model_inside_is_refused(tmp_path: Path) -> None:
    with pytest.raises(tv.UsageError, match="got Linear"):
        tv.save_model(AveragedModel(nn.Linear(2, 2)), tmp_path / "x")
