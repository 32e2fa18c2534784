"""Published models made small: few blocks, narrow, small images, and the choices as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import typedvision as tv
from tools.choices import choices
from typedvision.config.base import Config, ModelConfig

Options = dict[str, object]

DEPTHS = re.compile(r"depths?|\w+_depths?|layers|block_config|num_blocks\w*|stages|levels|k_sec")
"""Options that count blocks."""
WIDTHS = re.compile(
    r"\w*(dim|channel|chs|width|hidden_size|out_features|growth_rate|init_features|inc_sec)\w*|cfg"
)
"""Options that count channels."""
HEADS = re.compile(r"(\w+_)?(num_)?heads(_\w+)?")
"""Options that count attention heads."""
NOT_WIDTHS = {"in_chans", "head_dim", "head_hidden_size", "base_width", "channel_divisor"}

MULTIPLIERS = ("channel_multiplier", "depth_multiplier", "width_factor")

FEW_BLOCKS = (2, 3, 4, 6, 8, 12)
DIVISORS = (16, 8, 6, 4, 3, 2)
NARROWEST = 16  # channels
SIDES = (64, 56, 96, 112, 128)  # pixels; a multiple of the usual patches
CLASSES = 7


def shrunk(
    name: str, accepts: Callable[[Options], bool] = lambda options: True
) -> tuple[Options, ModelConfig]:
    """Options that make a published model small, and its config with them.

    Args:
        name: the model.
        accepts: whether options are possible, asked only where the config takes them.
    """
    row = config = tv.configure(name)
    wanted = choices(row)
    options: Options = {}
    for step in _steps(row):
        for more in step:
            candidate = {**options, **more}
            try:
                smaller = tv.configure(name, **candidate)
            except tv.ConfigError:
                continue
            if choices(smaller) == wanted and accepts(candidate):
                options, config = candidate, smaller
                break
    return options, config


def _steps(row: ModelConfig) -> Iterator[list[Options]]:
    """What to try, one step after the other; of each step, the first that is possible."""
    fields = {name: value for name, value in row if value}
    for name, value in fields.items():
        if DEPTHS.fullmatch(name):
            yield list(_fewer_blocks(name, value, fields))
    widths = [name for name in fields if WIDTHS.fullmatch(name) and name not in NOT_WIDTHS]
    if not widths and "num_features" in fields:
        widths = ["num_features"]  # which all the others follow
    heads = [name for name in fields if HEADS.fullmatch(name)]
    for together in (widths, *([name] for name in widths)):
        yield list(_narrower(together, heads, fields))
    for name in MULTIPLIERS:
        multiplier = fields.get(name)
        if isinstance(multiplier, float):
            yield [{name: multiplier / 4}]
    blocks = fields.get("block_cfg")
    if isinstance(blocks, tuple):
        yield list(_smaller_blocks(blocks))
    if isinstance(fields.get("block_args"), tuple):
        yield list(_few_rows(fields))
    side = fields.get("img_size")
    if isinstance(side, int):
        yield [{"img_size": smaller} for smaller in SIDES if smaller < side]
    if row.num_classes:
        yield [{"num_classes": CLASSES}]
    if isinstance(fields.get("mlp_ratio"), float) and {*widths} <= {"num_features", "cfg"}:
        yield [{"mlp_ratio": fields["mlp_ratio"] / 64}]


def _few_rows(fields: Options) -> Iterator[Options]:
    """The last row of each kind of mobile blocks in each stage, narrow and once."""
    stages = fields["block_args"]
    assert isinstance(stages, tuple)
    few = []
    for stage in stages:
        last: dict[tuple[object, ...], Options] = {}
        for row in stage if isinstance(stage, tuple) else (stage,):
            made = row.model_dump()
            kernels = (bool(made.get(f"kernel_size_{place}")) for place in ("start", "mid"))
            narrow = {"repeats": 1, "out_chs": max(row.out_chs // 16, 8)}
            kind = (row.block, made.get("stride"), *kernels)
            last.pop(kind, None)  # in the order of the last ones
            last[kind] = {**made, **narrow}
        few.append([*last.values()])
    yield {"block_args": few, "stem_size": NARROWEST, "num_features": 4 * NARROWEST}
    yield {"block_args": few, "stem_size": NARROWEST}


def _fewer_blocks(name: str, value: object, fields: Options) -> Iterator[Options]:
    if isinstance(value, int):
        for count in FEW_BLOCKS:
            if count < value:
                # One number for each block: evenly spaced ones.
                each = {
                    other: numbers[:: value // count][:count]
                    for other, numbers in fields.items()
                    if isinstance(numbers, tuple) and len(numbers) == value
                }
                yield {name: count, **each}
    elif isinstance(value, tuple) and all(type(count) is int for count in value):
        longest = value.index(max(value))
        for most in FEW_BLOCKS:
            for others in (1, most):
                limits = [most if index == longest else others for index in range(len(value))]
                yield {name: tuple(map(min, value, limits))}


def _narrower(names: list[str], heads: list[str], fields: Options) -> Iterator[Options]:
    """These widths divided by a number; then the heads, too."""
    for divisor in DIVISORS:
        narrow = {name: _divided(fields[name], divisor, NARROWEST) for name in names}
        if narrow and None not in narrow.values():
            yield narrow
            fewer = {name: _divided(fields[name], divisor, 1) for name in heads}
            if fewer and None not in fewer.values():
                yield {**narrow, **fewer}


def _smaller_blocks(blocks: tuple[Config, ...]) -> Iterator[Options]:
    """One of each kind of these blocks, their widths divided by a number."""
    for divisor in DIVISORS:
        narrow: list[Options] = []
        for block in dict.fromkeys(blocks):
            widths = {
                name: _divided(value, divisor, NARROWEST)
                for name, value in block
                if WIDTHS.fullmatch(name)
            }
            narrow.append({**dict(block), **widths})
        if not any(None in block.values() for block in narrow):
            yield {"block_cfg": narrow}


def _divided(value: object, divisor: int, least: int) -> object:
    """The number, or each, divided; None where it cannot be, or is too small then."""
    if isinstance(value, str):
        return value  # a word among the numbers
    if type(value) is int:
        return value // divisor if value % divisor == 0 and value // divisor >= least else None
    if isinstance(value, tuple):
        parts = [_divided(item, divisor, least) for item in value]
        return None if None in parts else tuple(parts)
    return None
