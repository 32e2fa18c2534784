"""The engines: what runs a model, and what each takes. No engine is imported before it is used."""

from __future__ import annotations

import io
import shutil
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.config.names import EngineName
from typedvision.errors import OptimizeError, Problem, UsageError
from typedvision.export import ONNX_BYTES, ONNX_PACKAGES, to_onnx, traced
from typedvision.inference.timing import seconds_of

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from openvino import CompiledModel, Core, InferRequest
    from torch.export import ExportedProgram


@dataclass(frozen=True, slots=True)
class Setting:
    """What a model is optimised for."""

    batch_size: int
    """Number of images at a time that it is tuned for; any other number runs too."""
    channels: int
    """Number of channels of the images."""
    img_size: tuple[int, int]
    """Height and width of the images."""
    dtype: torch.dtype
    """Type that it computes in."""
    threads: int
    """Number of threads of the CPU."""
    device: torch.device
    """Where it runs."""

    @property
    def takes(self) -> torch.dtype:
        """Type of the images: what computes in 8 bits rounds them itself."""
        return input_type(self.dtype)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape (N, C, H, W) of the images."""
        return (self.batch_size, self.channels, *self.img_size)


def input_type(dtype: torch.dtype) -> torch.dtype:
    """Type of the images of a program that computes in a type."""
    return torch.float32 if dtype == torch.int8 else dtype


class Source:
    """A model on its way to an engine, traced and converted at most once for all engines.

    Args:
        whole: the model's inference form in float32, in evaluation mode; no engine changes it.
        setting: what it is optimised for.
        calibration: images (N, C, H, W) that say how large each layer's outputs become, for 8 bits.
    """

    def __init__(
        self, whole: ImageModel, setting: Setting, calibration: Tensor | None = None
    ) -> None:
        self.whole = whole
        self.setting = setting
        self.calibration = calibration

    def images(self, count: int) -> Tensor:
        """Images (N, C, H, W) that have the right shape, type and device, and no content."""
        _, *shape = self.setting.shape
        return torch.zeros(count, *shape, dtype=self.setting.takes, device=self.setting.device)

    @cached_property
    def model(self) -> ImageModel:
        """The model in the type of its images."""
        dtype = self.setting.takes
        return self.whole if dtype == torch.float32 else deepcopy(self.whole).to(dtype)

    @cached_property
    def program(self) -> ExportedProgram:
        """The model as a program of `torch.export`."""
        return traced(self.model, self.images(2))

    @cached_property
    def onnx(self) -> bytes:
        """The model as an ONNX file."""
        size = sum(tensor.nbytes for tensor in self.model.state_dict().values())
        if size >= ONNX_BYTES:
            raise OptimizeError(
                f"an ONNX file holds at most {ONNX_BYTES:,} bytes; the weights have {size:,}"
            )
        onnx: bytes = to_onnx(self.program).model_proto.SerializeToString()
        return onnx


class Program(ABC):
    """A model as an engine runs it: images (N, C, H, W) of the setting's type, size and device, any
    number of them, to outputs; from several threads at once."""

    engine: ClassVar[EngineName]
    packages: ClassVar[tuple[str, ...]] = ()
    """What must be installed beside PyTorch; the extra of the engine's name brings it."""

    @classmethod
    def missing(cls) -> list[Problem]:
        """What the engine needs and this machine lacks."""
        return [
            Problem((package,), "missing", "is not installed")
            for package in cls.packages
            if find_spec(package) is None
        ]

    @classmethod
    @abstractmethod
    def dtypes(cls, device: torch.device) -> tuple[torch.dtype, ...]:
        """The types that the engine computes in on a device; none where it does not run there."""

    @classmethod
    @abstractmethod
    def build(cls, source: Source) -> Program:
        """Make the program of a model."""

    @abstractmethod
    def __call__(self, images: Tensor) -> Tensor:
        """Run it."""


class EagerProgram(Program):
    """PyTorch, layer by layer.

    Args:
        model: the model.
        memory_format: layout of the images.
        threads: number of threads of the CPU.
    """

    engine: ClassVar[EngineName] = "eager"

    def __init__(self, model: nn.Module, memory_format: torch.memory_format, threads: int) -> None:
        self.model = model
        self.memory_format = memory_format
        self.threads = threads

    @classmethod
    def dtypes(cls, device: torch.device) -> tuple[torch.dtype, ...]:
        """All that PyTorch has layers for."""
        return (torch.float32, torch.float64, torch.bfloat16, torch.float16)

    @classmethod
    def build(cls, source: Source) -> EagerProgram:
        """Choose the layout of the memory that is faster here."""
        layouts = (torch.contiguous_format, torch.channels_last)
        programs = [
            cls(_laid_out(source.model, layout), layout, source.setting.threads)
            for layout in layouts
        ]
        images = source.images(source.setting.batch_size)
        times = seconds_of([partial(program, images) for program in programs])
        return min(zip(times, programs, strict=True), key=lambda pair: pair[0])[1]

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Run it."""
        with _threads(self.threads):
            outputs: Tensor = self.model(images.contiguous(memory_format=self.memory_format))
        return outputs


class InductorProgram(Program):
    """PyTorch's compiler, with weights as constants; CUDA graphs on CUDA.

    A compiled program belongs to its process, and one thread at a time runs it.

    Args:
        compiled: what `torch.compile` gave.
        memory_format: layout of the images.
        threads: number of threads of the CPU.
    """

    engine: ClassVar[EngineName] = "inductor"

    def __init__(
        self,
        compiled: Callable[[Tensor], Tensor],
        memory_format: torch.memory_format,
        threads: int,
    ) -> None:
        self.compiled = compiled
        self.memory_format = memory_format
        self.threads = threads
        self.lock: threading.Lock = threading.Lock()

    @classmethod
    def missing(cls) -> list[Problem]:
        """A compiler of C++."""
        if any(map(shutil.which, ("g++", "clang++", "c++"))):
            return []
        return [Problem(("g++",), "missing", "is not installed")]

    @classmethod
    def dtypes(cls, device: torch.device) -> tuple[torch.dtype, ...]:
        """Those that its kernels are written for."""
        return (torch.float32, torch.bfloat16, torch.float16)

    @classmethod
    def build(cls, source: Source) -> InductorProgram:
        """Compile for the batch size of the setting."""
        on_cuda = source.setting.device.type == "cuda"
        layout = torch.channels_last if on_cuda else torch.contiguous_format
        model = _laid_out(source.model, layout)
        options: dict[str, str | int | bool | Callable[..., object]] = {"freezing": True}
        if on_cuda:
            options["triton.cudagraphs"] = True
        compiled = torch.compile(model, options=options)
        program = cls(compiled, layout, source.setting.threads)
        program(source.images(source.setting.batch_size))
        return program

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Run it; the first batch of another size is compiled."""
        with self.lock, _threads(self.threads):
            outputs = self.compiled(images.contiguous(memory_format=self.memory_format))
            return outputs.clone() if images.is_cuda else outputs  # graphs reuse their memory

    def __reduce__(self) -> str:
        raise UsageError(
            "a program of inductor cannot be pickled: pickle the model, and optimise it again"
        )


class OnnxProgram(Program):
    """ONNX Runtime.

    Args:
        onnx: the ONNX file.
        threads: number of threads of the CPU.
        device: where it runs.
    """

    engine: ClassVar[EngineName] = "onnxruntime"
    packages: ClassVar[tuple[str, ...]] = ONNX_PACKAGES

    def __init__(self, onnx: bytes, threads: int, device: torch.device) -> None:
        import onnxruntime

        self.onnx = onnx
        self.threads = threads
        self.device = device
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        wanted = ["CPUExecutionProvider"]
        if device.type == "cuda":
            wanted = ["TensorrtExecutionProvider", "CUDAExecutionProvider", *wanted]
        here = onnxruntime.get_available_providers()
        providers = [provider for provider in wanted if provider in here]
        self.session: InferenceSession = onnxruntime.InferenceSession(
            onnx, options, providers=providers
        )

    @classmethod
    def dtypes(cls, device: torch.device) -> tuple[torch.dtype, ...]:
        """On CUDA, those of `onnxruntime-gpu` where that is installed."""
        if device.type == "cpu":
            return (torch.float32, torch.int8)
        import onnxruntime

        on_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        return (torch.float32, torch.float16) if device.type == "cuda" and on_cuda else ()

    @classmethod
    def build(cls, source: Source) -> OnnxProgram:
        """Optimise the graph."""
        onnx, images = source.onnx, source.calibration
        if source.setting.dtype == torch.int8 and images is not None:
            onnx = _quantised(onnx, images)
        return cls(onnx, source.setting.threads, source.setting.device)

    def __call__(self, images: Tensor) -> Tensor:
        """Run it."""
        array = images.detach().cpu().contiguous().numpy()
        (outputs,) = self.session.run(None, {"input": array})
        return torch.from_numpy(outputs).to(images.device)

    def __reduce__(self) -> tuple[type[OnnxProgram], tuple[bytes, int, torch.device]]:
        return OnnxProgram, (self.onnx, self.threads, self.device)


class _Calibration:
    """What ONNX Runtime reads images (N, C, H, W) from: one after the other."""

    def __init__(self, images: Tensor) -> None:
        self.rows = iter(torch.split(images, 1))

    def get_next(self) -> dict[str, object] | None:
        """The next image by the name of the input; None after the last."""
        row = next(self.rows, None)
        return None if row is None else {"input": row.contiguous().numpy()}


def _quantised(onnx: bytes, images: Tensor) -> bytes:
    """An ONNX file that computes in 8 bits, with the ranges that images (N, C, H, W) give.

    Weights have a scale for each channel, in 7 bits: sums of 8 bits overflow in processors that
    lack the instructions for them.
    """
    import onnx as onnx_package
    from onnxruntime.quantization import quantize_static

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "quantised.onnx")
        model = onnx_package.load_from_string(onnx)
        ranges = _Calibration(images.detach().cpu().float())
        quantize_static(
            model,
            target,
            ranges,  # pyright: ignore[reportArgumentType] # what it has is enough
            per_channel=True,
            reduce_range=True,
        )
        return target.read_bytes()


class OpenVinoProgram(Program):
    """OpenVINO, on the CPU.

    Args:
        onnx: the ONNX file.
        dtype: type that it computes in.
        threads: number of threads of the CPU.
    """

    engine: ClassVar[EngineName] = "openvino"
    packages: ClassVar[tuple[str, ...]] = ("onnx", "onnxscript", "openvino")

    def __init__(self, onnx: bytes, dtype: torch.dtype, threads: int) -> None:
        self.arguments: tuple[bytes, torch.dtype, int] = (onnx, dtype, threads)
        core = _core()
        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": _OPENVINO_NAMES[dtype],
        }
        self.compiled: CompiledModel = core.compile_model(
            core.read_model(io.BytesIO(onnx)), "CPU", properties
        )
        self.idle: SimpleQueue[InferRequest] = SimpleQueue()  # each runs in one thread at a time

    @classmethod
    def dtypes(cls, device: torch.device) -> tuple[torch.dtype, ...]:
        """Those that this CPU has instructions for."""
        if device.type != "cpu":
            return ()
        able: list[str] = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return tuple(dtype for dtype, name in _CAPABILITIES.items() if name in able)

    @classmethod
    def build(cls, source: Source) -> OpenVinoProgram:
        """Optimise the graph; half precision is a matter of its kernels, and not of the graph."""
        setting = source.setting
        if setting.dtype != torch.float32:
            source = Source(source.whole, replace(setting, dtype=torch.float32))
        return cls(source.onnx, setting.dtype, setting.threads)

    def __call__(self, images: Tensor) -> Tensor:
        """Run it."""
        array = images.detach().float().contiguous().numpy()
        try:
            request = self.idle.get_nowait()
        except Empty:
            request = self.compiled.create_infer_request()
        outputs = torch.from_numpy(request.infer([array], share_inputs=True)[0])
        self.idle.put(request)
        return outputs

    def __reduce__(self) -> tuple[type[OpenVinoProgram], tuple[bytes, torch.dtype, int]]:
        return OpenVinoProgram, self.arguments


_OPENVINO_NAMES = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}
_CAPABILITIES = {torch.float32: "FP32", torch.bfloat16: "BF16", torch.float16: "FP16"}


def _laid_out(model: ImageModel, layout: torch.memory_format) -> ImageModel:
    """A copy of a model whose kernels have a layout."""
    model = deepcopy(model)
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)
    return model


@cache
def _core() -> Core:
    """The one runtime of this process, which is never destroyed.

    It gives the thread a stack for signals; one that dies in another thread takes the stack along,
    and the next signal ends the process.
    """
    from openvino import Core

    return Core()


@contextmanager
def _threads(count: int) -> Generator[None]:
    """Let PyTorch use so many threads of the CPU while the block runs."""
    before = torch.get_num_threads()
    if before == count:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


PROGRAMS: dict[EngineName, type[Program]] = {
    program.engine: program
    for program in (EagerProgram, InductorProgram, OnnxProgram, OpenVinoProgram)
}
"""The engines by name."""
