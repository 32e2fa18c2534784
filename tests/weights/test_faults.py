"""What goes wrong while a file is written or read leaves whole files and clear errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import typedvision as tv
from typedvision.errors import WeightsError
from typedvision.weights.files import replace_file
from typedvision.weights.inspect import inspect

SAVE = (
    "import sys, typedvision as tv\n"
    "model = tv.create_model('test_resnet', num_classes=5, seed=2)\n"
    "print('ready', flush=True)\n"
    "while True: tv.save_model(model, sys.argv[1])\n"
)


def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path, saved: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SAVE, saved], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(20):
        time.sleep(0.01)
        tv.load_model(saved, verify=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    tv.load_model(saved, verify=True)


def test_a_kill_in_the_middle_of_the_writing(tmp_path: Path, saved: Path) -> None:
    before = saved.read_bytes()
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from typedvision.weights.files import replace_file\n"
        "def write(draft):\n"
        "    draft.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "replace_file(Path(sys.argv[1]), write)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, saved], check=False)
    assert done.returncode == -signal.SIGKILL
    assert saved.read_bytes() == before


def test_a_full_disk(saved: Path) -> None:
    """A limit on the size of files stands for the disk."""
    before = saved.read_bytes()
    code = (
        "import resource, sys, typedvision as tv\n"
        "model = tv.create_model('test_resnet', seed=2)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
        "try: tv.save_model(model, sys.argv[1])\n"
        "except tv.WeightsError as error: sys.exit(str(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, saved], stderr=subprocess.PIPE, text=True, check=False
    )
    assert "cannot be written" in done.stderr
    assert "File too large" in done.stderr
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
