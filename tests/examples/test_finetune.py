"""Fine-tuning goes on after a kill to the bit, and two processes learn what one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import typedvision as tv
from tests.docs.pages import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("finetune")]  # the runs are made once

EXAMPLE = ROOT / "examples" / "finetune"
PATIENCE = 120  # seconds
# A process; its arguments: the folders of the example, of the images and of the runs, and more.
PROGRAM = """
import sys, torch
sys.path.insert(0, sys.argv[1])
import finetune
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
whole = [*sys.argv[4:], "--epochs", "2", "--batch", "8", "--workers", "0", "--mixup", "0.4"]
common = [sys.argv[2], *whole, "--scale", "0.8", "--lr", "0.01"]
"""
ALONE = """
finetune.main([*common, "--out", sys.argv[3] + "/one"])
save = finetune.Training.save
def killed(self, step):
    if step == 5:
        raise KeyboardInterrupt
    save(self, step)
finetune.Training.save = killed
again = [*common, "--out", sys.argv[3] + "/resumed", "--save-every", "1"]
try:
    finetune.main(again)
except KeyboardInterrupt:
    finetune.Training.save = save
    finetune.main(again)
"""
BOTH = """
import os
finetune.main([*common, "--out", sys.argv[3] + "/ddp"])
os.environ["MASTER_PORT"] = os.environ["NEXT_PORT"]  # the first still has its store
finetune.main([*common, "--out", sys.argv[3] + "/sharded", "--sharded"])
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of four runs: in one process, killed and resumed, and two of two processes."""
    out = tmp_path_factory.mktemp("runs")
    subprocess.run(
        [sys.executable, EXAMPLE / "images.py", "digits", out / "all"], check=True, timeout=PATIENCE
    )
    for kind, count in (("train", 24), ("val", 5)):  # 3 steps an epoch
        for path in sorted((out / "all" / kind).glob("[0-2]/*"), key=lambda one: one.name)[:count]:
            target = out / "few" / kind / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    model = ("--model", str(ROOT / "examples" / "digits" / "vit.json"))
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        ports = [str(free.getsockname()[1]) for free in (one, other)]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": ports[0], "NEXT_PORT": ports[1]}
    ranks = [{"RANK": str(rank), "WORLD_SIZE": "2", **place} for rank in range(2)]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM + text, EXAMPLE, out / "few", out, *model],
            env={**os.environ, **variables},
        )
        for text, variables in ((ALONE, {}), *((BOTH, rank) for rank in ranks))
    ]
    try:
        assert [process.wait(PATIENCE) for process in started] == [0, 0, 0]
    finally:
        for process in started:
            process.kill()
    return out


def test_a_resumed_run_is_the_same_to_the_bit(runs: Path) -> None:
    one, resumed = (load_file(runs / name / "model.safetensors") for name in ("one", "resumed"))
    assert all(torch.equal(one[key], resumed[key]) for key in one)
    assert len(list(runs.glob("resumed/checkpoints/*"))) == 1


@pytest.mark.parametrize("name", ["ddp", "sharded"])
def test_two_processes_learn_what_one_does(runs: Path, name: str) -> None:
    one, two = (load_file(runs / run / "model.safetensors") for run in ("one", name))
    for key in one:
        torch.testing.assert_close(two[key], one[key], rtol=1e-6, atol=1e-9)


def test_the_model_knows_its_labels_and_its_accuracy(runs: Path) -> None:
    model = tv.load_model(runs / "one" / "model.safetensors")
    assert model.spec.class_names == ("0", "1", "2")
    assert json.loads(model.spec.to_json())["metadata"]["images"] == 5
    with Image.open(runs / "one" / "losses.png") as curve:
        assert curve.size == (640, 320)
