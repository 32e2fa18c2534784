"""Export a model as one program file that runs without this library, and check that file."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from typedvision.architecture.image_model import ImageModel
from typedvision.architecture.wrapped import Wrapper, unwrapped, whole_model
from typedvision.config.base import to_pair
from typedvision.errors import ExportError, Problem, TypedVisionError, UsageError, listed, shown
from typedvision.weights.files import replace_file, to_path
from typedvision.weights.save import spec_notes

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram
    from typing_extensions import Buffer

ExportFormat = Literal["pt2", "onnx"]
"""A program of `torch.export`, or one of ONNX."""

ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
ONNX_BYTES = 2**31  # the largest size of one ONNX file
_BATCHES = (1, 3)

_Program = Callable[[Tensor], Tensor]
_Save = Callable[[ExportedProgram, Path, Mapping[str, str]], None]
_Load = Callable[[Path], _Program]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The file that was written, and its difference from the model."""

    path: Path
    """The file."""
    format: ExportFormat
    """The format of the file."""
    img_size: tuple[int, int]
    """Height and width of the images that the program takes, any number at once."""
    size: int
    """Size of the file in bytes."""
    difference: float | None
    """Largest difference from the outputs of the model, as a share of the largest output; None
    where the file was not checked."""


def export_model(
    model: ImageModel | Wrapper,
    path: str | PathLike[str],
    *,
    format: ExportFormat,
    img_size: int | tuple[int, int] | None = None,
    check: bool = True,
) -> ExportReport:
    """Write a model as a program that takes any number of images of one size.

    The program is the model in evaluation mode; the model itself stays as it is. The file carries
    the spec, under the keys that `save_model` uses: a `pt2` in its extra files, an `onnx` in its
    metadata. The file is written under a temporary name, checked, and only then renamed.

    Args:
        model: a model with its weights; for `onnx` on the CPU.
        path: the file, usually `*.pt2` or `*.onnx`; one that is there is replaced.
        format: `"pt2"` for `torch.export.load`; `"onnx"` for ONNX runtimes, which needs the extra
            packages of `typedvision[onnx]`.
        img_size: height and width of the images; by default those of the model's spec.
        check: run the file on one and on three random images; it is refused where an output
            differs from the model's by more than half of the digits of the weights' type.

    Raises:
        ExportError: the model cannot be exported, the file is not the model or cannot be written,
            or a package is missing.
        ConfigError: `img_size` is not a valid size of images.
        UsageError: the format is unknown, the model is not one that `create_model` made or has no
            weights, or it does not take images of this size.
    """
    body = _checked(unwrapped(model), format)
    target, spec = to_path(path), body.spec
    if img_size is not None:
        spec = spec.replace(image=spec.image.replace(size=to_pair(img_size)))
    save, load = _FORMATS[format]
    differences: list[float] = []

    def write(draft: Path) -> None:
        program = traced(body, _images(body, 2, spec.image.size))
        save(program, draft, spec_notes(spec))
        if check:
            differences.extend(_differences(body, load(draft), spec.image.size))

    with evaluating(body), torch.no_grad(), _failures_named(body):
        replace_file(target, write, ExportError)
    worst = max(differences, default=None)
    return ExportReport(target, format, spec.image.size, target.stat().st_size, worst)


def traced(model: ImageModel, images: Tensor) -> ExportedProgram:
    """The program of a model, for any number of images of this size.

    Args:
        model: a model in evaluation mode.
        images: at least two images, (N, C, H, W).
    """
    batch = ({0: Dim("batch", min=1)},)
    with torch.no_grad():
        return torch.export.export(model, (images,), dynamic_shapes=batch, strict=False)


def to_onnx(program: ExportedProgram) -> ONNXProgram:
    """A program as one of ONNX, from `input` to `output`."""
    with _quiet_torch():
        exported = torch.onnx.export(
            program,
            input_names=["input"],
            output_names=["output"],
            dynamic_shapes=({0: "batch"},),
            dynamo=True,
            verbose=False,
        )
    assert exported is not None  # it is None only where a file was named
    return exported


def _checked(found: object, format: object) -> ImageModel:
    """The model, if it can be exported in this format."""
    formats = get_args(ExportFormat)
    if format not in formats:
        raise UsageError(f"format must be {listed(formats)}; got {shown(format)}")
    model = whole_model(found, "export_model")
    devices = {parameter.device.type for parameter in model.parameters()}
    if "meta" in devices:
        raise UsageError("a model on the meta device has no weights to export")
    if format == "onnx":
        _check_onnx(model, devices)
    return model


def _check_onnx(model: ImageModel, devices: set[str]) -> None:
    missing = [package for package in ONNX_PACKAGES if find_spec(package) is None]
    if missing:
        problems = [Problem((package,), "missing", "is not installed") for package in missing]
        raise ExportError("ONNX needs more packages: pip install 'typedvision[onnx]'", problems)
    if devices != {"cpu"}:
        raise UsageError("an ONNX file is exported from the CPU: call model.cpu() before")
    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    if size >= ONNX_BYTES:
        raise ExportError(
            f"the weights have {size:,} bytes, one ONNX file holds {ONNX_BYTES:,}: "
            "halve them by model.half(), or export 'pt2'"
        )


@contextmanager
def evaluating(model: ImageModel) -> Generator[None]:
    """Set a model to evaluation mode; at the end each module has its old mode again."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _failures_named(model: ImageModel) -> Generator[None]:
    """Raise errors of tracers and runtimes, which have no common class, as `ExportError`."""
    try:
        yield
    except TypedVisionError:
        raise
    except Exception as error:
        name = model.spec.subject
        reason = str(error).strip().partition("\n")[0]
        raise ExportError(
            f"'{name}' cannot be exported: {type(error).__name__}: {reason}"
        ) from error


def _images(model: ImageModel, count: int, size: tuple[int, int]) -> Tensor:
    """Random images (N, C, H, W), which depend on their number alone."""
    weight = next(model.parameters())
    shape = (count, model.spec.config.in_chans, *size)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(count))
    return noise.to(weight.device, weight.dtype)


def _differences(model: ImageModel, program: _Program, size: tuple[int, int]) -> Iterator[float]:
    """The difference between the program and the model, for each size of batch."""
    for count in _BATCHES:
        images = _images(model, count, size)
        wanted, got = model(images), program(images)
        floats = torch.finfo(wanted.dtype)
        scale = wanted.abs().max().clamp_min(floats.tiny)
        difference = ((got - wanted).abs().max() / scale).item()
        if not difference <= floats.eps**0.5:  # also where it is NaN
            raise ExportError(
                f"the program differs from the model by {difference:.1e} of the largest output; "
                f"at most {floats.eps**0.5:.1e} is allowed"
            )
        yield difference


class _PatientFile(io.FileIO):
    """A file that keeps the first error of a write, which its owner raises in the end.

    PyTorch's writer of archives writes once more while it cleans up after an error, and a second
    error there ends the process.
    """

    error: OSError | None = None

    def write(self, data: Buffer) -> int:
        rest = memoryview(data).cast("B")
        size = rest.nbytes
        try:
            while rest and self.error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return size


def _save_pt2(program: ExportedProgram, path: Path, notes: Mapping[str, str]) -> None:
    with _PatientFile(path, "wb") as file:
        torch.export.save(program, file, extra_files=dict(notes))
        if file.error is not None:
            raise file.error


def _load_pt2(path: Path) -> _Program:
    with path.open("rb") as file:
        return torch.export.load(file).module()


def _save_onnx(program: ExportedProgram, path: Path, notes: Mapping[str, str]) -> None:
    exported = to_onnx(program)
    exported.model.metadata_props.update(notes)
    exported.save(path, external_data=False)


def _load_onnx(path: Path) -> _Program:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"input": x.numpy()})[0])


@contextmanager
def _quiet_torch() -> Generator[None]:
    """Silence warnings that torch raises about itself, which no caller can fix."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logger.setLevel(level)


_FORMATS: dict[ExportFormat, tuple[_Save, _Load]] = {
    "pt2": (_save_pt2, _load_pt2),
    "onnx": (_save_onnx, _load_onnx),
}
