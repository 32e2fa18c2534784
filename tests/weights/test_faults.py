"""What goes wrong while a file is written or read leaves whole files and clear errors."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
import torch

import typedvision as tv
from tests.processes import CONTEXT, run_forked, together
from typedvision.errors import WeightsError
from typedvision.weights.files import replace_file
from typedvision.weights.inspect import inspect

pytestmark = together


def save_again(path: Path, ready: Event) -> None:
    model = tv.create_model("test_resnet", num_classes=5, seed=2)
    ready.set()
    while True:
        tv.save_model(model, path)


def test_a_kill_leaves_the_old_file_or_the_new_one(saved: Path) -> None:
    ready = CONTEXT.Event()
    process = CONTEXT.Process(target=save_again, args=(saved, ready))
    process.start()
    assert ready.wait(60)
    for _ in range(20):
        time.sleep(0.01)
        tv.load_model(saved, verify=True)
    process.kill()
    process.join()
    tv.load_model(saved, verify=True)


def dies_while_it_writes(path: Path) -> None:
    def write(draft: Path) -> None:
        draft.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    replace_file(path, write)


def test_a_kill_in_the_middle_of_the_writing(saved: Path) -> None:
    before = saved.read_bytes()
    done = run_forked(dies_while_it_writes, saved)
    assert done.status == -signal.SIGKILL
    assert saved.read_bytes() == before


def test_drafts_of_killed_processes_are_removed(model: tv.ImageModel, saved: Path) -> None:
    for target in (saved, saved, saved.with_name("another.safetensors")):
        run_forked(dies_while_it_writes, target)
    tv.save_model(model, saved)
    names = sorted(one.name for one in saved.parent.iterdir())
    assert len(names) == 2
    assert names[0].startswith(".another.safetensors.")
    assert names[1] == saved.name


def saves_on_a_full_disk(path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    model = tv.create_model("test_resnet", seed=2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
    try:
        tv.save_model(model, path)
    except tv.WeightsError as error:
        sys.exit(str(error))


def test_a_full_disk(saved: Path) -> None:
    before = saved.read_bytes()
    done = run_forked(saves_on_a_full_disk, saved)
    assert "cannot be written" in done.output
    assert "File too large" in done.output
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_folders_that_cannot_be_written(model: tv.ImageModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.safetensors").mkdir()
    for path in ("absent/m.safetensors", "file/m.safetensors", "folder.safetensors"):
        with pytest.raises(WeightsError, match="cannot be written"):
            tv.save_model(model, tmp_path / path)
    with pytest.raises(WeightsError, match="cannot be written"):
        tv.save_model(model, Path("/proc/m.safetensors"))  # read-only, for root too
    assert len(list(tmp_path.iterdir())) == 2


def test_an_interrupt_leaves_nothing_behind(saved: Path) -> None:
    before = saved.read_bytes()

    def write(draft: Path) -> None:
        draft.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(saved, write)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_threads_load_and_save_at_once(saved: Path) -> None:
    model = tv.load_model(saved)

    def work(number: int) -> bool:
        if number % 4 == 0:
            tv.save_model(model, saved)
        loaded = tv.load_model(saved, verify=True).state_dict()
        return all(torch.equal(tensor, loaded[key]) for key, tensor in model.state_dict().items())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(24)))
    assert list(saved.parent.iterdir()) == [saved]


def test_a_file_that_is_replaced_between_plan_and_reading(
    model: tv.ImageModel, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typedvision.weights import load

    checkpoint = inspect(saved)
    tv.save_model(tv.create_model("test_vit", seed=1), saved)
    monkeypatch.setattr(load, "open_checkpoint", lambda _, mmap: checkpoint)
    loaded = tv.load_model(saved, verify=True).state_dict()
    assert all(torch.equal(tensor, loaded[key]) for key, tensor in model.state_dict().items())


def test_permissions_follow_the_umask(model: tv.ImageModel, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    before = os.umask(0o027)
    try:
        tv.save_model(model, path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
