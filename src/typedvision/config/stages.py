"""The arithmetic that families with stages of blocks share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from typedvision.config.base import Config
from typedvision.config.problems import Conflict


@dataclass(frozen=True, slots=True)
class Step:
    """How a stage (or a block) brings its input to another resolution."""

    stride: int
    """Stride of its first convolution; 1 where it dilates instead."""
    first_dilation: int
    """Dilation of that convolution: what the stages before are dilated by."""
    dilation: int
    """Dilation of the other convolutions."""
    reduction: int
    """Input pixels for each position of its output."""


def staged(strides: Iterable[int], *, reduction: int, output_stride: int) -> Iterator[Step]:
    """The step of each stage, which dilates where its stride would exceed `output_stride`.

    Args:
        strides: what each stage divides the resolution by.
        reduction: input pixels for each position of the first stage's input.
        output_stride: most input pixels for each position of a map.
    """
    dilation = 1
    for stride in strides:
        first_dilation = dilation
        if stride > 1 and reduction * stride > output_stride:
            stride, dilation = 1, dilation * stride
        reduction *= stride
        yield Step(stride, first_dilation, dilation, reduction)


def drop_path_rates(rate: float, depth: int, *, reached: bool = True) -> tuple[float, ...]:
    """The rate of stochastic depth of each of `depth` blocks: linear from 0 towards `rate`
    (https://arxiv.org/abs/1603.09382, equation 4).

    Args:
        rate: a probability.
        depth: number of blocks.
        reached: whether the last block has the rate; else it is one step short of it, as in
            EfficientNet.
    """
    steps = max(depth - 1, 1) if reached else depth
    return tuple(rate * index / steps for index in range(depth))


def products(first: int, factor: float, count: int) -> tuple[int, ...]:
    """A number for each of `count` stages, `factor` times that of the stage before, rounded down.

    `products(96, 2.0, 3)` is (96, 192, 384).
    """
    numbers = [first]
    for _ in range(count - 1):
        numbers.append(int(numbers[-1] * factor))
    return tuple(numbers)


def uneven_heads(
    features: Iterable[int], num_heads: Iterable[int], name: str = "embed_dims"
) -> Iterator[Conflict]:
    """The conflict of each stage whose attention heads do not divide its features.

    Args:
        features: features of each stage, which field `name` says.
        num_heads: heads of each stage.
        name: a field.
    """
    for width, heads in zip(features, num_heads, strict=False):
        if width % heads:
            yield Conflict(
                f"'num_heads' must divide '{name}' evenly; got {heads} for {width}: choose one of "
                "its divisors",
                "num_heads",
            )


def uneven_stages(
    config: Config, counted: str, *names: str, each: str = "stage"
) -> tuple[Conflict, ...]:
    """A conflict for each field that has not one value for each stage; none for a field that has
    one value, not a tuple, for all of them.

    Args:
        config: what has the fields.
        counted: the field whose length is the number of stages.
        names: the fields that follow it.
        each: what a value of `counted` is for.
    """
    count = len(getattr(config, counted))
    lengths = {name: len(v) for name in names if isinstance(v := getattr(config, name), tuple)}
    return tuple(
        Conflict(
            f"'{name}' must have one value for each {each} of '{counted}': {count}; got {length}",
            name,
        )
        for name, length in lengths.items()
        if length != count
    )
