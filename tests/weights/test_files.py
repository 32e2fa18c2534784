"""Only ordinary files are read and written; what is anything else is refused at once."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import typedvision as tv
from tests.cli.running import run
from tests.processes import run_forked, together
from typedvision.errors import TypedVisionError, UsageError, WeightsError
from typedvision.weights.files import replace_file
from typedvision.weights.inspect import inspect

KINDS = ["pipe", "socket", "device", "folder", "link to a device", "absent", "dangling", "circle"]


def bind(path: Path) -> None:
    """Leave a socket at `path`."""
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)  # the name of a socket has a limit


@pytest.fixture(params=KINDS)
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Something at whose path there is no ordinary file."""
    path = tmp_path / "it.safetensors"
    match request.param:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            bind(path)
        case "device":
            return Path("/dev/zero")
        case "folder":
            path.mkdir()
        case "link to a device":
            path.symlink_to("/dev/zero")
        case "dangling":
            path.symlink_to(tmp_path / "nothing" / "here")
        case "circle":
            path.symlink_to(path)
    return path


READERS: dict[str, Callable[[Path], object]] = {
    "inspect": tv.inspect,
    "load_model": tv.load_model,
    "load_model without a map": lambda path: tv.load_model(path, mmap=False),
    "load_backbone": tv.load_backbone,
    "load_weights": lambda path: tv.load_weights(
        tv.create_model("test_resnet", device="meta"), path
    ),
    "create_model": lambda path: tv.create_model("test_resnet", checkpoint_path=path),
    "convert": lambda path: tv.convert(
        path, path.with_name("out.safetensors"), tv.specify("test_resnet")
    ),
}


@pytest.mark.parametrize("door", READERS)
def test_what_is_no_file_is_not_read(no_file: Path, door: str) -> None:
    start = time.perf_counter()
    with pytest.raises(WeightsError, match=r"cannot be read: |is no file"):
        READERS[door](no_file)
    assert time.perf_counter() - start < 5.0


@pytest.mark.parametrize("verb", [["spec", "X"], ["check", "X"], ["lock", "X"], ["inspect", "X"]])
def test_the_command_line_reads_files_only(tmp_path: Path, verb: list[str]) -> None:
    for name in ("it.json", "it.safetensors"):
        path = tmp_path / name
        os.mkfifo(path)
        done = run(*(str(path) if word == "X" else word for word in verb))
        assert done.exit_code in (1, 2), done.stderr
        assert "pipe, not a file" in " ".join(done.stderr.replace("\u2502", "").split())


WRITERS: dict[str, Callable[[tv.ImageModel, Path], object]] = {
    "save_model": tv.save_model,
    "export_model": lambda model, path: tv.export_model(model, path, format="pt2", check=False),
}


@pytest.mark.parametrize("door", WRITERS)
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder", "link to a device"])
def test_what_is_no_file_is_not_replaced(
    model: tv.ImageModel, tmp_path: Path, kind: str, door: str
) -> None:
    path = tmp_path / "it.safetensors"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link to a device":
        path.symlink_to("/dev/null")
    elif kind == "device":
        path = Path("/dev/null")
    else:
        bind(path)
    before = os.stat(path)
    with pytest.raises(TypedVisionError, match="cannot be written: it is a"):
        WRITERS[door](model, path)
    assert os.path.samestat(before, os.stat(path))
    assert [one for one in tmp_path.iterdir() if one.suffix == ".tmp"] == []


@pytest.mark.parametrize("door", ["save_model", "convert"])
def test_a_link_stays_and_what_it_points_at_is_replaced(
    saved: Path, tmp_path: Path, door: str
) -> None:
    folder, link = tmp_path / "other", tmp_path / "link.safetensors"
    folder.mkdir()
    link.symlink_to(folder / "real.safetensors")
    for seed in (3, 4):  # at first there is nothing
        model = tv.create_model("test_resnet", num_classes=5, seed=seed)
        if door == "save_model":
            tv.save_model(model, link)
        else:
            tv.save_model(model, saved)
            tv.convert(saved, link, model.spec)
        assert link.is_symlink()
        state = tv.load_model(folder / "real.safetensors").state_dict()
        assert torch.equal(state["fc.weight"], model.state_dict()["fc.weight"])
    assert [one.name for one in folder.iterdir()] == ["real.safetensors"]


def test_drafts_in_use_stay(saved: Path) -> None:
    """One of this process, one of another machine, one of a user's own; an old one goes."""

    def write(draft: Path) -> None:
        draft.write_bytes(b"mine")
        foreign = draft.with_name(f".{saved.name}.00000000-1-00000000.tmp")
        own = draft.with_name(f".{saved.name}.backup.tmp")
        for other in (foreign, own):
            other.write_bytes(b"theirs")
        replace_file(saved, lambda second: second.write_bytes(b"second"))
        assert draft.exists()
        assert foreign.exists()
        os.utime(foreign, (0, 0))
        os.utime(own, (0, 0))
        replace_file(saved, lambda second: second.write_bytes(b"third"))
        assert not foreign.exists()
        own.unlink()

    replace_file(saved, write)
    assert saved.read_bytes() == b"mine"
    assert list(saved.parent.iterdir()) == [saved]


def test_long_names(model: tv.ImageModel, tmp_path: Path) -> None:
    path = tmp_path / ("\u00fc" * 120 + ".safetensors")
    tv.save_model(model, path)
    tv.load_model(path)


@pytest.mark.parametrize("path", [123, None, b"m.safetensors", "", "a\0b", ["m.safetensors"], 1.5])
def test_what_is_no_path(model: tv.ImageModel, path: str) -> None:
    for call in (tv.load_model, tv.load_backbone, tv.inspect):
        with pytest.raises(UsageError, match="must be the path of a file"):
            call(path)
    for write in WRITERS.values():
        with pytest.raises(UsageError, match="must be the path of a file"):
            write(model, path)  # type: ignore[arg-type]
    for source, target in ((path, "out"), ("in", path)):
        with pytest.raises(UsageError, match="must be the path of a file"):
            tv.convert(source, target, model.spec)


def test_a_path_longer_than_any_file_has(model: tv.ImageModel) -> None:
    with pytest.raises(WeightsError, match="File name too long"):
        tv.load_model("x" * 5_000)
    with pytest.raises(WeightsError, match="File name too long"):
        tv.save_model(model, "x" * 5_000)


def shrink(saved: Path, mmap: bool) -> None:
    model = tv.load_model(saved, mmap=mmap)
    os.truncate(saved, 10)
    for tensor in model.state_dict().values():
        tensor.double().sum()


@together
def test_a_file_that_shrinks_ends_only_a_process_that_maps_it(saved: Path) -> None:
    whole = saved.read_bytes()
    for mmap, status in ((True, -7), (False, 0)):
        saved.write_bytes(whole)
        done = run_forked(shrink, saved, mmap)
        assert done.status == status, done.output


@pytest.mark.parametrize("mmap", [True, False])
def test_both_ways_of_reading_give_the_same(saved: Path, mmap: bool) -> None:
    mapped = tv.load_model(saved).state_dict()
    loaded = tv.load_model(saved, mmap=mmap, verify=True).state_dict()
    assert all(torch.equal(tensor, loaded[key]) for key, tensor in mapped.items())
    unloaded = tv.create_model("test_resnet", num_classes=5, device="meta")
    tv.load_weights(unloaded, saved, mmap=mmap)
    assert torch.equal(unloaded.state_dict()["fc.weight"], mapped["fc.weight"])
    backbone = tv.create_backbone("test_resnet")
    tv.save_model(backbone, saved)
    state = tv.load_backbone(saved, mmap=mmap).state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in backbone.state_dict().items())


@pytest.mark.parametrize("mmap", [0, None, "no"])
def test_mmap_is_a_bool(saved: Path, mmap: bool) -> None:
    with pytest.raises(UsageError, match="mmap must be True or False"):
        tv.load_model(saved, mmap=mmap)


INDEX = "model.safetensors.index.json"


def index_of(model: tv.ImageModel, folder: Path, file: str) -> None:
    names = dict.fromkeys(model.state_dict(), file)
    (folder / INDEX).write_text(json.dumps({"weight_map": names}))


@pytest.mark.parametrize(
    "file", ["../m.safetensors", "/m.safetensors", "a/m.safetensors", "..", ""]
)
def test_an_index_names_files_beside_it(
    model: tv.ImageModel, saved: Path, tmp_path: Path, file: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    index_of(model, folder, file)
    with pytest.raises(WeightsError, match="problems in") as caught:
        inspect(folder)
    assert caught.value.problems[0].message == "must be a file beside the index"


def test_an_index_follows_no_link_out_of_its_folder(
    model: tv.ImageModel, saved: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "part.safetensors").symlink_to(saved)
    index_of(model, folder, "part.safetensors")
    with pytest.raises(WeightsError, match="1 problem in") as caught:
        inspect(folder)
    assert "a link to a file outside of the folder" in caught.value.problems[0].message
    (folder / "part.safetensors").unlink()
    saved.rename(folder / "real.safetensors")
    (folder / "part.safetensors").symlink_to("real.safetensors")
    assert inspect(folder).tensors.keys() == model.state_dict().keys()


def test_an_index_in_the_cache_of_the_hub(
    model: tv.ImageModel, saved: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "models--owner--net"
    blobs, folder = repository / "blobs", repository / "snapshots" / ("1" * 40)
    blobs.mkdir(parents=True)
    folder.mkdir(parents=True)
    index_of(model, blobs, "part.safetensors")
    (blobs / INDEX).rename(blobs / "0001")
    saved.rename(blobs / "0002")
    (folder / INDEX).symlink_to("../../blobs/0001")
    (folder / "part.safetensors").symlink_to("../../blobs/0002")
    loaded = tv.create_model("test_resnet", num_classes=5, checkpoint_path=folder)
    assert torch.equal(loaded.state_dict()["fc.bias"], model.state_dict()["fc.bias"])
    (folder / "part.safetensors").unlink()
    (folder / "part.safetensors").symlink_to("../../../outside")
    with pytest.raises(WeightsError, match="1 problem in"):
        inspect(folder)
