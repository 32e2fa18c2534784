"""`InferenceModel`: a model on an engine, and the report of how it came there."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

import torch
from torch import Tensor

from typedvision.config.names import EngineName
from typedvision.errors import UsageError, shown
from typedvision.inference.check import Difference
from typedvision.inference.engines import Program, input_type
from typedvision.registry.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine that `auto` tried."""

    engine: EngineName
    """The engine."""
    seconds: float | None
    """The least time of a batch; None where it failed."""
    compile_seconds: float | None
    """The time that its program took to make; None where it failed."""
    error: str | None
    """Why it failed; None where it did not."""


@dataclass(frozen=True, slots=True)
class OptimizeReport:
    """What a model was optimised for, and how far its numbers are from the float32 model."""

    engine: EngineName
    """What runs it."""
    device: str
    """Where it runs: `cpu`, `cuda:0`."""
    dtype: str
    """Type that it computes in: `float32`."""
    batch_size: int
    """Number of images at a time that it is tuned for."""
    img_size: tuple[int, int]
    """Height and width of the images."""
    threads: int
    """Number of threads of the CPU."""
    compile_seconds: float
    """The time that the program took to make; what engines share counts for the first."""
    bound: float
    """The largest difference that is allowed."""
    differences: tuple[Difference, ...]
    """How far it is from the float32 model, on each batch that was compared."""
    candidates: tuple[Candidate, ...] = ()
    """What `auto` tried; empty where it had no choice."""

    @property
    def difference(self) -> float:
        """The largest of the differences, as a share of the largest output."""
        return max(found.largest for found in self.differences)

    @property
    def agreement(self) -> float:
        """Share of the compared images whose largest output is the float32 model's."""
        counts = [found.batch_size for found in self.differences]
        agreeing = (found.agreement * found.batch_size for found in self.differences)
        return sum(agreeing) / sum(counts)

    def to_dict(self) -> dict[str, object]:
        """The report as JSON-ready data."""
        data: dict[str, object] = json.loads(json.dumps(dataclasses.asdict(self)))
        return {**data, "difference": self.difference, "agreement": self.agreement}


class InferenceModel:
    """A model on an engine: images (N, C, H, W) to what the model gives of them.

    `optimize` makes it. Any number of threads may call it at once. It can be pickled, but for the
    engine `inductor`.
    """

    def __init__(self, program: Program, spec: ModelSpec, report: OptimizeReport) -> None:
        self._program = program
        self._spec = spec
        self._report = report

    @property
    def engine(self) -> EngineName:
        """What runs the model."""
        return self._report.engine

    @property
    def spec(self) -> ModelSpec:
        """The spec of the model, for images of the size that this takes."""
        return self._spec

    @property
    def report(self) -> OptimizeReport:
        """What it was optimised for, and how far its numbers are from the float32 model."""
        return self._report

    @property
    def program(self) -> Program:
        """What the engine runs."""
        return self._program

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W); features where the model has no classes.

        Args:
            images: one image or more of the size that the model was optimised for, normalised as
                its spec says; of any floating-point type, on any device.

        Returns:
            The outputs, in the images' type and on their device.

        Raises:
            UsageError: these are no such images.
        """
        report = self._report
        wanted = ("N", self._spec.image.channels, *report.img_size)
        found: object = images
        if not isinstance(found, Tensor) or not found.is_floating_point():
            got = found.dtype if isinstance(found, Tensor) else shown(found)
            raise UsageError(f"the model takes a tensor of floating-point values; got {got}")
        if images.ndim != 4 or tuple(images.shape[1:]) != wanted[1:] or not len(images):
            raise UsageError(
                f"this model takes images of shape {wanted}, at least one; "
                f"got {tuple(images.shape)}: optimize has batch_size and img_size"
            )
        dtype = input_type(getattr(torch, report.dtype))
        return self._program(images.to(report.device, dtype)).to(images)

    def __repr__(self) -> str:
        report = self._report
        height, width = report.img_size
        return (
            f"InferenceModel({self._spec.subject!r}, engine={report.engine!r}, "
            f"dtype={report.dtype}, img_size=({height}, {width}))"
        )
