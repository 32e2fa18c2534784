"""`optimize`: a model as the fastest engine of this machine runs it, with checked numbers."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Literal

import torch
from torch import Tensor

from typedvision.architecture.fuse import inference_form
from typedvision.architecture.image_model import ImageModel
from typedvision.architecture.wrapped import Wrapper, unwrapped, whole_model
from typedvision.config.base import to_pair
from typedvision.config.image import ImageSpec
from typedvision.config.names import EngineName
from typedvision.errors import (
    OptimizeError,
    Problem,
    TypedVisionError,
    UsageError,
    listed,
    shown,
)
from typedvision.export import evaluating
from typedvision.inference.check import Sample, bound, check, difference, samples
from typedvision.inference.engines import PROGRAMS, Setting, Source
from typedvision.inference.model import Candidate, InferenceModel, OptimizeReport
from typedvision.inference.record import Record, machine, versions
from typedvision.inference.timing import seconds_of
from typedvision.registry.spec import ModelSpec

_Engine = EngineName | Literal["auto"]


def optimize(
    model: ImageModel | Wrapper,
    engine: _Engine = "auto",
    *,
    batch_size: int | None = None,
    img_size: int | tuple[int, int] | None = None,
    dtype: torch.dtype | None = None,
    threads: int | None = None,
    images: Tensor | None = None,
    record: str | PathLike[str] | None = None,
) -> InferenceModel:
    """A model in the form in which this machine runs it fastest, with checked numbers.

    The result takes any number of images of one size. The model itself stays as it is, and shares
    no tensor with the result. Before it is returned, its outputs are compared with those of the
    model in float32, on random images and on images with the spectrum of photographs.

        fast = tv.optimize(model)
        logits = fast(images)
        print(fast.engine, fast.report.difference)

    Args:
        model: a model with its weights.
        engine: `eager` is PyTorch with batch normalisations and branches folded into convolutions,
            in the layout of memory that is faster; `inductor` is PyTorch's compiler, which takes a
            minute or more; `onnxruntime` and `openvino` need the extra of their name. `auto`
            measures those that are installed and takes the fastest; on the CPU it tries
            `inductor` only where neither `onnxruntime` nor `openvino` is installed.
        batch_size: number of images at a time that it is tuned for; by default 1.
        img_size: height and width of the images; by default those of the model's spec.
        dtype: type that it computes in; float32 by default. `torch.int8` needs `onnxruntime`, and
            `images` of the kind that the model will see: they say how large each layer's outputs
            become, and the result is compared on them alone.
        threads: number of threads of the CPU; by default PyTorch's (`torch.get_num_threads()`).
        images: images (N, C, H, W), as the model takes them, to compare on too; some hundred for
            `torch.int8`.
        record: a JSON file of choices. `auto` takes from it the engine for this model, setting and
            machine, and adds what it has measured where there is none.

    Raises:
        OptimizeError: the engine is not installed, does not compute in this type or on the
            model's device, cannot run the model, or computes something else than the model.
        ConfigError: `img_size` is not a valid size of images.
        UsageError: another argument makes no sense, the model is not one that `create_model` made
            or has no weights, or it does not take images of this size.
    """
    body = whole_model(unwrapped(model), "optimize")
    if next(body.parameters()).is_meta:
        raise UsageError("a model on the meta device has no weights to optimise")
    spec = body.spec.image
    if img_size is not None:
        spec = spec.replace(size=to_pair(img_size))
    setting = _setting(body, spec, batch_size, dtype, threads)
    engines: list[EngineName] = _engines(engine, setting)
    _check_images(images, spec)
    if images is None and setting.dtype == torch.int8:
        raise UsageError("int8 needs images to find its ranges with: optimize(..., images=images)")
    choices = None if record is None else Record(record)
    key = _key(body, setting)
    if engine == "auto" and choices is not None:
        chosen = choices.get(key)
        if chosen is not None and chosen in engines:
            engines = [chosen]
    seen = _samples(body, spec, setting, images)
    source = Source(inference_form(body).float().requires_grad_(False), setting, images)
    document = body.spec.replace(image=spec)
    fast = _fastest(source, document, engines, seen, must=engine != "auto")
    if engine == "auto" and choices is not None and len(engines) > 1:
        choices.put(key, fast.report)
    return fast


def _setting(
    model: ImageModel,
    spec: ImageSpec,
    batch_size: int | None,
    dtype: torch.dtype | None,
    threads: int | None,
) -> Setting:
    for name, value in (("batch_size", batch_size), ("threads", threads)):
        if value is not None and (type(value) is not int or value < 1):
            raise UsageError(f"{name} must be an integer of at least 1; got {shown(value)}")
    if dtype is not None and not isinstance(dtype, torch.dtype):
        raise UsageError(f"dtype must be a torch.dtype, such as torch.float32; got {shown(dtype)}")
    return Setting(
        batch_size or 1,
        spec.channels,
        spec.size,
        dtype or torch.float32,
        threads or torch.get_num_threads(),
        next(model.parameters()).device,
    )


def _engines(engine: str, setting: Setting) -> list[EngineName]:
    """The engines to try.

    Raises:
        OptimizeError: the one that was asked for cannot run here.
        UsageError: there is no such engine.
    """
    names = tuple(PROGRAMS)
    if engine == "auto":
        able: list[EngineName] = [name for name in names if _refusal(name, setting) is None]
        if setting.device.type == "cpu" and {"onnxruntime", "openvino"} & {*able}:
            able = [name for name in able if name != "inductor"]
        if not able:
            raise OptimizeError(f"no engine computes in {_name(setting.dtype)} here")
        return able
    for name in names:
        if name == engine:
            refusal = _refusal(name, setting)
            if refusal is not None:
                raise refusal
            return [name]
    raise UsageError(f"engine must be {listed(('auto', *names))}; got {shown(engine)}")


def _refusal(engine: EngineName, setting: Setting) -> OptimizeError | None:
    """Why an engine cannot run here in this setting, or None."""
    program = PROGRAMS[engine]
    problems = program.missing()
    if problems:
        extra = f"pip install 'typedvision[{engine}]'" if program.packages else "install it"
        return OptimizeError(f"'{engine}' needs what is not installed: {extra}", problems)
    dtypes = program.dtypes(setting.device)
    if setting.dtype in dtypes:
        return None
    if not dtypes:
        message = f"'{engine}' does not run on {setting.device.type} here"
        return OptimizeError(message, [Problem(("model",), "value", message)])
    names = tuple(_name(dtype) for dtype in dtypes)
    message = f"must be {listed(names)} for '{engine}' here; got {_name(setting.dtype)}"
    problem = Problem(("dtype",), "choice", message, _name(setting.dtype), names)
    return OptimizeError(f"'{engine}' does not compute in {_name(setting.dtype)}", [problem])


def _check_images(images: object, spec: ImageSpec) -> None:
    if images is None:
        return
    shape = ("N", spec.channels, *spec.size)
    if (
        not isinstance(images, Tensor)
        or images.ndim != 4
        or tuple(images.shape[1:]) != shape[1:]
        or not images.is_floating_point()
        or not len(images)
    ):
        got = tuple(images.shape) if isinstance(images, Tensor) else shown(images)
        raise UsageError(f"images must be a tensor {shape} of floating-point values; got {got}")


def _samples(
    model: ImageModel, spec: ImageSpec, setting: Setting, images: Tensor | None
) -> list[Sample]:
    """What the model itself computes in float32.

    Raises:
        UsageError: the model does not take such images.
    """
    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        model = deepcopy(model).float()
    with evaluating(model):
        try:
            seen = samples(model, spec, setting.batch_size, images, setting.device)
            # Eight bits have the range of the images that were given, and of no others.
            return [one for one in seen if one.kind == "given" or setting.dtype != torch.int8]
        except TypedVisionError:
            raise
        except RuntimeError as error:  # a kernel larger than the image, say
            height, width = spec.size
            reason = str(error).strip().partition("\n")[0]
            raise UsageError(
                f"'{model.spec.subject}' does not take images of {height} x {width}: {reason}"
            ) from error


def _fastest(
    source: Source, spec: ModelSpec, engines: list[EngineName], seen: list[Sample], *, must: bool
) -> InferenceModel:
    """The model on the engine that is the fastest of these.

    Args:
        source: the model.
        spec: its spec.
        engines: the engines to try.
        seen: what its outputs are compared with.
        must: raise what an engine raises, and do not leave that engine out.
    """
    built: list[InferenceModel] = []
    failed: list[Candidate] = []
    for engine in engines:
        try:
            built.append(_built(source, spec, engine, seen))
        except OptimizeError as error:
            if must:
                raise
            failed.append(Candidate(engine, None, None, error.summary))
    if not built:
        raise OptimizeError(
            f"no engine runs '{spec.subject}'",
            [Problem((found.engine,), "value", found.error or "") for found in failed],
        )
    if len(engines) == 1:
        return built[0]
    images = source.images(source.setting.batch_size)
    times = seconds_of([partial(model, images) for model in built])
    candidates = [
        Candidate(model.engine, seconds, model.report.compile_seconds, None)
        for model, seconds in zip(built, times, strict=True)
    ]
    _, fastest = min(zip(times, built, strict=True), key=lambda pair: pair[0])
    report = replace(fastest.report, candidates=(*candidates, *failed))
    return InferenceModel(fastest.program, fastest.spec, report)


def _built(
    source: Source, spec: ModelSpec, engine: EngineName, seen: list[Sample]
) -> InferenceModel:
    """The model on an engine, compared with the float32 model.

    Raises:
        OptimizeError: the engine cannot run it, or computes something else.
    """
    setting = source.setting
    limit = bound(engine, setting.dtype)
    compares = [sample for sample in seen if _compiled_for(engine, sample, setting)]
    start = time.perf_counter()
    try:
        program = PROGRAMS[engine].build(source)
        seconds = time.perf_counter() - start
        report = OptimizeReport(
            engine=engine,
            device=str(setting.device),
            dtype=_name(setting.dtype),
            batch_size=setting.batch_size,
            img_size=setting.img_size,
            threads=setting.threads,
            compile_seconds=seconds,
            bound=limit,
            differences=(),
        )
        model = InferenceModel(program, spec, report)
        differences = tuple(difference(model, sample) for sample in compares)
    except TypedVisionError:
        raise
    except Exception as error:  # engines have no common class of errors
        reason = str(error).strip().partition("\n")[0]
        raise OptimizeError(
            f"'{engine}' cannot run '{spec.subject}': {type(error).__name__}: {reason}"
        ) from error
    for found in differences:
        check(found, engine, limit)
    return InferenceModel(program, spec, replace(report, differences=differences))


def _compiled_for(engine: EngineName, sample: Sample, setting: Setting) -> bool:
    """Whether a program runs a sample without being compiled once more."""
    return engine != "inductor" or len(sample.images) == setting.batch_size


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _key(model: ImageModel, setting: Setting) -> dict[str, object]:
    """What a choice of engine depends on."""
    return {
        "model": model.spec.digest(),
        "shape": list(setting.shape),
        "dtype": _name(setting.dtype),
        "threads": setting.threads,
        "device": str(setting.device),
        "machine": machine(),
        "versions": versions(),
    }
