"""A model on an engine computes what it does, or there is an error that says why not."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import typedvision as tv
from tests.inference.conftest import SIZE
from tests.toys import declare
from typedvision.architecture.fuse import inference_form
from typedvision.config.names import EngineName
from typedvision.inference import engines
from typedvision.inference import optimize as optimization
from typedvision.inference.check import Difference, Sample, check, difference, natural_images
from typedvision.inference.engines import PROGRAMS, EagerProgram, Setting, Source
from typedvision.inference.record import Record


def images(count: int) -> Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_fastest_engine_takes_any_number_of_images(
    model: tv.ImageModel, fast: tv.InferenceModel, count: int
) -> None:
    model.eval()
    with torch.no_grad():
        wanted = model(images(count))
    torch.testing.assert_close(fast(images(count)), wanted, rtol=1e-3, atol=1e-4)
    model.train()


def test_the_report_has_every_engine_and_difference(fast: tv.InferenceModel) -> None:
    report = fast.report
    assert {found.engine for found in report.candidates} == {"eager", "onnxruntime", "openvino"}
    seconds = {found.engine: found.seconds for found in report.candidates}
    assert None not in seconds.values()
    assert min(seconds, key=lambda engine: seconds[engine] or 0.0) == fast.engine == report.engine
    assert [(found.images, found.batch_size) for found in report.differences] == [
        ("random", 2),
        ("natural", 2),
        ("natural", 1),
    ]
    assert 0 < report.difference <= report.bound
    data = json.loads(json.dumps(report.to_dict()))
    assert data["img_size"] == [SIZE, SIZE]
    assert data["difference"] == report.difference


def test_several_threads_call_at_once(fast: tv.InferenceModel) -> None:
    wanted = [fast(images(3)[place : place + 1]) for place in range(3)]
    wrong: list[int] = []

    def work(place: int) -> None:
        for _ in range(20):
            if not torch.equal(fast(images(3)[place : place + 1]), wanted[place]):
                wrong.append(place)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.fixture(scope="module")
def source(model: tv.ImageModel) -> Source:
    """The model, which the engines of this module convert once."""
    setting = Setting(2, 3, (SIZE, SIZE), torch.float32, 1, torch.device("cpu"))
    return Source(inference_form(model), setting)


@pytest.mark.parametrize("engine", ["eager", "onnxruntime", "openvino"])
def test_a_pickled_program_is_equal(source: Source, engine: EngineName) -> None:
    program = PROGRAMS[engine].build(source)
    again = pickle.loads(pickle.dumps(program))
    assert torch.equal(again(images(3)), program(images(3)))


@pytest.mark.slow
@pytest.mark.usefixtures("registry")
def test_a_program_of_inductor_runs_and_says_that_it_is_not_pickled() -> None:
    model = tv.create_model(declare().variants["toy_small"], seed=1)
    fast = tv.optimize(model, "inductor", img_size=8, threads=1)
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(fast(x), model.eval()(x))
    with pytest.raises(tv.UsageError, match="cannot be pickled"):
        pickle.dumps(fast)


LET_GO = """
import signal, subprocess, sys, threading
import typedvision as tv

signal.signal(signal.SIGCHLD, lambda *_: None)
model = tv.create_model("test_resnet", num_classes=5, seed=1)
held = [tv.optimize(model, "openvino", img_size=32, threads=1)]
thread = threading.Thread(target=held.clear)
thread.start()
thread.join()
subprocess.run([sys.executable, "-c", ""], check=True)
print("alive")
"""


@pytest.mark.slow
def test_a_signal_is_survived_after_another_thread_has_let_a_program_go() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LET_GO], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_half_precision_is_compared_with_the_float32_model(model: tv.ImageModel) -> None:
    fast = tv.optimize(model, "eager", img_size=SIZE, dtype=torch.bfloat16, threads=1)
    assert fast.report.dtype == "bfloat16"
    assert 1e-4 < fast.report.difference < fast.report.bound
    assert fast(images(1)).dtype == torch.float32
    assert fast(images(1).double()).dtype == torch.float64


def test_eight_bits_are_compared_on_the_images_that_gave_the_ranges(model: tv.ImageModel) -> None:
    options = {"engine": "onnxruntime", "img_size": SIZE, "batch_size": 4, "threads": 1}
    with pytest.raises(tv.UsageError, match="images=images"):
        tv.optimize(model, dtype=torch.int8, **options)
    exact = tv.optimize(model, **options)
    fast = tv.optimize(model, dtype=torch.int8, images=images(6), **options)
    report = fast.report
    assert report.dtype == "int8"
    assert [(found.images, found.batch_size) for found in report.differences] == [
        ("given", 4),
        ("given", 2),
    ]
    assert exact.report.difference < 1e-4 < report.difference < report.bound
    assert report.agreement in {n / 6 for n in range(4, 7)}
    assert report.to_dict()["agreement"] == report.agreement
    assert fast(images(1)).dtype == torch.float32
    assert torch.equal(pickle.loads(pickle.dumps(fast))(images(2)), fast(images(2)))


def test_eight_bits_are_refused_where_an_engine_lacks_them(model: tv.ImageModel) -> None:
    with pytest.raises(tv.OptimizeError, match="'eager' does not compute in int8"):
        tv.optimize(model, "eager", img_size=SIZE, dtype=torch.int8, images=images(2))


def test_the_model_stays_as_it_is(model: tv.ImageModel) -> None:
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    fast = tv.optimize(model, "eager", img_size=SIZE)
    assert model.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert fast.spec == model.spec.replace(image=model.spec.image.replace(size=(SIZE, SIZE)))
    assert "engine='eager'" in repr(fast)


def test_images_of_the_callers_own_are_compared(model: tv.ImageModel) -> None:
    report = tv.optimize(model, "eager", img_size=SIZE, images=images(3), batch_size=2).report
    given = [found.batch_size for found in report.differences if found.images == "given"]
    assert given == [2, 1]


def test_a_program_that_differs_is_refused(
    model: tv.ImageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = EagerProgram.__call__

    def wrong(self: EagerProgram, x: Tensor) -> Tensor:
        outputs = run(self, x).clone()
        if len(x) > 1:
            outputs[1, 3] += 1.0
        return outputs

    monkeypatch.setattr(EagerProgram, "__call__", wrong)
    with pytest.raises(tv.OptimizeError, match=r"output \(3,\) of image 1 of 2 random") as caught:
        tv.optimize(model, "eager", img_size=SIZE, batch_size=2)
    assert [problem.path for problem in caught.value.problems] == [("random", 1, 3)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_too_far(value: float) -> None:
    wanted = torch.ones(1, 2)
    found = difference(lambda x: torch.tensor([[1.0, value]]), Sample("given", wanted, wanted))
    assert found == Difference("given", 1, float("inf"), (0, 1), found.agreement)
    with pytest.raises(tv.OptimizeError):
        check(found, "eager", 1e9)


def test_auto_leaves_out_an_engine_that_fails(
    model: tv.ImageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(source: Source) -> None:
        raise RuntimeError("no such operator\nat a place")

    monkeypatch.setattr(Source, "onnx", property(fails))
    report = tv.optimize(model, img_size=SIZE).report
    assert report.engine == "eager"
    errors = {found.engine: found.error for found in report.candidates if found.error}
    assert errors.keys() == {"onnxruntime", "openvino"}
    assert "RuntimeError: no such operator" in errors["openvino"]


def test_a_recorded_choice_is_taken(
    model: tv.ImageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "engines.json"
    monkeypatch.setitem(PROGRAMS, "inductor", Slow)
    for name in ("onnxruntime", "openvino"):
        monkeypatch.setattr(PROGRAMS[name], "missing", lambda: [tv.Problem((), "missing", "")])
    first = tv.optimize(model, img_size=SIZE, record=path)
    assert {found.engine for found in first.report.candidates} == {"eager", "inductor"}
    (row,) = json.loads(path.read_text())["choices"]
    assert row["engine"] == first.engine == "eager"
    assert row["for"]["shape"] == [1, 3, SIZE, SIZE]

    row["engine"] = "inductor"
    path.write_text(json.dumps({"schema_version": 1, "choices": [row]}))
    assert tv.optimize(model, img_size=SIZE, record=path).engine == "inductor"
    assert tv.optimize(model, img_size=2 * SIZE, record=path).engine == "eager"
    assert len(json.loads(path.read_text())["choices"]) == 2


class Slow(EagerProgram):
    """An engine that waits."""

    engine = "inductor"

    def __call__(self, images: Tensor) -> Tensor:
        time.sleep(0.02)
        return super().__call__(images)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 1, "choices": [{}]}'])
def test_what_is_no_record_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "engines.json"
    path.write_text(text)
    with pytest.raises(tv.OptimizeError, match="no record of choices"):
        Record(path)


@pytest.mark.parametrize(
    ("engine", "missing", "message"),
    [
        ("onnxruntime", "onnxscript", r"pip install 'typedvision\[onnxruntime\]'"),
        ("openvino", "openvino", r"pip install 'typedvision\[openvino\]'"),
    ],
)
def test_an_engine_that_is_not_installed(
    engine: EngineName,
    missing: str,
    message: str,
    model: tv.ImageModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(tv.OptimizeError, match=message) as caught:
        tv.optimize(model, engine)
    assert [problem.path for problem in caught.value.problems] == [(missing,)]


def test_inductor_needs_a_compiler(model: tv.ImageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    with pytest.raises(tv.OptimizeError, match="'inductor' needs what is not installed"):
        tv.optimize(model, "inductor")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"engine": "tensorrt"}, tv.UsageError, "'auto', 'eager', 'inductor'"),
        ({"engine": "onnxruntime", "dtype": torch.float64}, tv.OptimizeError, "float64"),
        ({"dtype": torch.int64}, tv.OptimizeError, "no engine computes in int64"),
        ({"dtype": "float32"}, tv.UsageError, "dtype must be a torch.dtype"),
        ({"batch_size": 0}, tv.UsageError, "batch_size must be an integer of at least 1"),
        ({"threads": True}, tv.UsageError, "threads must be an integer of at least 1"),
        ({"img_size": 0}, tv.ConfigError, "size"),
        ({"images": torch.zeros(1, 3, 8, 8)}, tv.UsageError, "images must be a tensor"),
        ({"images": "photos"}, tv.UsageError, "images must be a tensor"),
    ],
)
def test_what_makes_no_sense_is_refused(
    model: tv.ImageModel,
    options: dict[str, Any],
    error: type[tv.TypedVisionError],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(optimization, "inference_form", None)  # it comes before any work
    with pytest.raises(error, match=message):
        tv.optimize(model, **options)


def test_models_that_cannot_be_optimised() -> None:
    with pytest.raises(tv.UsageError, match="optimize takes a model that create_model made"):
        tv.optimize(torch.nn.Identity())  # type: ignore[arg-type]
    with pytest.raises(tv.UsageError, match="no weights to optimise"):
        tv.optimize(tv.create_model("test_resnet", device="meta"))
    with pytest.raises(tv.UsageError, match="set_input_size"):
        tv.optimize(tv.create_model("test_vit", dynamic_img_size=False, seed=1), img_size=SIZE)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1.0], "a tensor of floating-point values"),
        (torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8), r"got torch\.uint8"),
        (torch.zeros(3, SIZE, SIZE), r"got \(3, 32, 32\)"),
        (torch.zeros(0, 3, SIZE, SIZE), "at least one"),
        (torch.zeros(1, 3, SIZE, 2 * SIZE), "images of shape"),
        (torch.zeros(1, 1, SIZE, SIZE), "images of shape"),
    ],
)
def test_what_is_no_image_is_refused(fast: tv.InferenceModel, given: Any, message: str) -> None:
    with pytest.raises(tv.UsageError, match=message):
        fast(given)


def test_natural_images_are_smooth_and_normalised() -> None:
    spec = tv.ImageSpec(size=(64, 48))
    x = natural_images(2, spec)
    assert x.shape == (2, 3, 64, 48)
    assert torch.equal(x, natural_images(2, spec))
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (spec.mean, spec.std))
    pixels = x * std + mean
    assert -1e-5 <= pixels.min() < pixels.max() <= 1 + 1e-5
    steps = (pixels[..., 1:] - pixels[..., :-1]).std() / pixels.std()
    assert steps < 0.7  # of independent pixels, it is the root of 2
