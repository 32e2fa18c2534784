"""Two processes that share a model each load their part of it; together they have all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.utils._python_dispatch import TorchDispatchMode

import typedvision as tv
from tests.processes import together
from tests.ranks import WORLD, Ranks, shard, whole
from typedvision.errors import UsageError, WeightsError
from typedvision.layers.shard import sharded
from typedvision.weights import load
from typedvision.weights.inspect import Checkpoint, inspect
from typedvision.weights.load import load_weights

# Their sizes do not divide by two; of the position table, (1, N, D), the second rank has nothing.
OPTIONS: dict[str, dict[str, object]] = {
    "test_resnet": {"num_classes": 5, "channels": (33, 47, 49, 95)},
    "test_vit": {"num_classes": 5, "embed_dim": 129, "num_heads": 3, "depth": 2},
}
OTHERS: dict[str, dict[str, object]] = {
    "test_resnet": {"num_classes": 3, "in_chans": 1},
    "test_vit": {"num_classes": 3, "in_chans": 1, "img_size": 96, "patch_size": 8},
}


pytestmark = together


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, options in OPTIONS.items():
        tv.save_model(tv.create_model(name, seed=1, **options), folder / name)
    return folder


def sharded_on_meta(name: str, mesh: DeviceMesh | None = None, **options: object) -> tv.ImageModel:
    model = tv.create_model(name, device="meta", **options)
    parts = [
        part
        for child in model.children()
        for part in (child if isinstance(child, nn.Sequential) else [child])
    ]
    return shard(model, parts, mesh)


def assert_same(model: tv.ImageModel, single: tv.ImageModel) -> None:
    """Both have the same tensors, give the same logits, and learn the same from an image."""
    state = model.state_dict()
    for key, wanted in single.state_dict().items():
        found = whole(state[key])
        assert torch.equal(found, wanted), key
        assert found.dtype == wanted.dtype, key
    cfg = single.spec.config
    size = getattr(cfg, "img_size", 64)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, cfg.in_chans, size, size, generator=generator)
    logits, expected = model.eval()(images), single.eval()(images)
    torch.testing.assert_close(logits, expected)
    logits.square().sum().backward()
    expected.square().sum().backward()
    for (key, part), alone in zip(model.named_parameters(), single.parameters(), strict=True):
        assert part.grad is not None, key
        assert alone.grad is not None
        assert sharded(part.grad) is not None, key
        torch.testing.assert_close(whole(part.grad), alone.grad, atol=1e-3, rtol=1e-3)


def loads(name: str, folder: Path) -> None:
    model = sharded_on_meta(name, **OPTIONS[name])
    load_weights(model, folder / name)
    assert_same(model, tv.load_model(folder / name))


@pytest.mark.parametrize("name", OPTIONS)
def test_together_they_have_what_one_loads(ranks: Ranks, folder: Path, name: str) -> None:
    ranks(loads, name, folder)


def adapts(name: str, folder: Path) -> None:
    options = OPTIONS[name] | OTHERS[name]
    model = sharded_on_meta(name, **options)
    load_weights(model, folder / name, seed=2)
    single = tv.create_model(name, checkpoint_path=folder / name, seed=2, **options)
    assert model.load_report is not None
    assert model.load_report.adapted
    assert model.load_report == single.load_report
    assert_same(model, single)


@pytest.mark.parametrize("name", OPTIONS)
def test_adapted_and_new_tensors_are_those_of_one(ranks: Ranks, folder: Path, name: str) -> None:
    ranks(adapts, name, folder)


def initialises(name: str) -> None:
    model = sharded_on_meta(name, **OPTIONS[name])
    model.to_empty(device="cpu")
    model.init_weights(seed=3)
    assert_same(model, tv.create_model(name, seed=3, **OPTIONS[name]))


@pytest.mark.parametrize("name", OPTIONS)
def test_a_seed_gives_the_same_weights_on_any_shard(ranks: Ranks, name: str) -> None:
    ranks(initialises, name)


def converts(folder: Path) -> None:
    name = "test_vit"
    model = sharded_on_meta(name, **OPTIONS[name], dtype=torch.bfloat16)
    load_weights(model, folder / name)
    assert {tensor.dtype for tensor in model.parameters()} == {torch.bfloat16}
    half = tv.load_model(folder / name, dtype=torch.bfloat16).state_dict()
    for key, part in model.state_dict().items():
        assert torch.equal(part.full_tensor(), half[key]), key


def test_the_weights_have_the_type_of_the_model(ranks: Ranks, folder: Path) -> None:
    ranks(converts, folder)


def reads_its_share(folder: Path) -> None:
    name = "test_vit"
    model = sharded_on_meta(name, **OPTIONS[name])
    checkpoint = inspect(folder / name)
    with Reads(checkpoint) as reads, pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "open_checkpoint", lambda _, mmap: checkpoint)
        load_weights(model, folder / name)
    held = sum(part.to_local().nbytes for part in model.state_dict().values())
    assert reads.size == held
    assert 0.45 < held / checkpoint.size < 0.55


class Reads(TorchDispatchMode):
    """Counts the bytes of a checkpoint's file that go into any operation but a view."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        file = next(iter(checkpoint.tensors.values())).file
        start = torch.frombuffer(file, dtype=torch.uint8).data_ptr()
        self.file = range(start, start + len(file))
        self.size = 0

    def __torch_dispatch__(  # type: ignore[no-untyped-def]
        self, func, types, args=(), kwargs=None
    ) -> object:
        for tensor in args:
            mapped = type(tensor) is torch.Tensor and tensor.data_ptr() in self.file
            if mapped and not func.is_view:
                self.size += tensor.nbytes
        return func(*args, **kwargs or {})


def test_each_reads_its_share_of_the_file(ranks: Ranks, folder: Path) -> None:
    ranks(reads_its_share, folder)


def fails_and_loads(folder: Path) -> None:
    name = "test_vit"
    model = sharded_on_meta(name, **OPTIONS[name])
    with pytest.raises(WeightsError):
        load_weights(model, folder / "test_resnet")
    assert all(tensor.is_meta for tensor in model.state_dict().values())
    assert model.load_report is None
    load_weights(model, folder / name)
    with pytest.raises(UsageError, match="this FSDPVisionTransformer has weights"):
        load_weights(model, folder / name)


def test_a_failure_leaves_the_model_on_meta(ranks: Ranks, folder: Path) -> None:
    ranks(fails_and_loads, folder)


def refuses(folder: Path) -> None:
    name = "test_vit"
    mesh = init_device_mesh("cpu", (1, WORLD), mesh_dim_names=("replicate", "shard"))
    model = sharded_on_meta(name, mesh, **OPTIONS[name])
    with pytest.raises(UsageError, match="a mesh of one dimension"):
        load_weights(model, folder / name)
    assert all(tensor.is_meta for tensor in model.state_dict().values())


def test_other_meshes_are_refused(ranks: Ranks, folder: Path) -> None:
    ranks(refuses, folder)


@pytest.mark.parametrize("name", OPTIONS)
def test_one_process_loads_a_meta_device_model_too(folder: Path, name: str) -> None:
    options = OPTIONS[name] | OTHERS[name]
    model = tv.create_model(name, device="meta", dtype=torch.float64, **options)
    load_weights(model, folder / name, seed=2)
    single = tv.create_model(
        name, checkpoint_path=folder / name, seed=2, dtype=torch.float64, **options
    )
    assert model.load_report == single.load_report
    state = model.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in single.state_dict().items())


def test_what_is_no_meta_device_model(folder: Path) -> None:
    with pytest.raises(UsageError, match="this ResNet has weights"):
        load_weights(tv.create_model("test_resnet"), folder / "test_resnet")
    with pytest.raises(UsageError, match="got Linear"):
        load_weights(torch.nn.Linear(1, 1), folder / "test_resnet")  # type: ignore[arg-type]


def save_together(path: Path, name: str) -> None:
    model = tv.create_model(name, seed=1, **OPTIONS[name])
    tv.save_model(shard(model, model.children()), path)
    assert path.is_file()
    with pytest.raises(WeightsError, match="cannot be written"):
        tv.save_model(model, path / "no folder")


@pytest.mark.parametrize("name", OPTIONS)
def test_together_they_save_what_one_would(
    ranks: Ranks, folder: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "model.safetensors"
    ranks(save_together, path, name)
    assert path.read_bytes() == (folder / name).read_bytes()
