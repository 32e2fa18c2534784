"""Whatever a config accepts is a model that builds, runs and trains.

Configs are drawn at random, near published ones made small. `FUZZ_CONFIGS` says how many of each
family are tried (`make fuzz`: 2,000).
"""

from __future__ import annotations

import math
import os
import zlib
from functools import cache
from random import Random

import pytest
import torch

import typedvision as tv
from tests.contract.drawing import mutated
from tests.contract.facts import COMPUTED
from tests.contract.filling import randn
from tools.choices import cover
from tools.shrink import Options, shrunk
from typedvision.config.base import ModelConfig, to_pair
from typedvision.config.features import FeatureSpec
from typedvision.registry import index
from typedvision.registry.family import AnyFamily

CONFIGS = int(os.environ.get("FUZZ_CONFIGS", "8"))
AT_ONCE = 50  # configs of one test
PARAMS = 1_000_000
MODULES = 1_000
NUMBERS = 2_000_000  # of a feature map
PLACES = 4_096  # of a feature map
PATIENCE = 200  # draws for each config that is accepted and small enough
SUMMARIZED = 25  # of so many configs, the cost of one is counted, which takes longer than training
SIDE = 64  # pixels, where the model takes images of any size and of this one
CHUNKS = [
    (family, start, min(AT_ONCE, CONFIGS - start))
    for family in COMPUTED
    for start in range(0, CONFIGS, AT_ONCE)
]


class TooLargeError(Exception):
    """The config is not tried: it would take too long."""


def check(config: ModelConfig, limits: tv.Limits, summarized: bool) -> None:
    """Everything that a model of this config must be able to do.

    Args:
        config: the config.
        limits: what the model may have.
        summarized: count what the model costs, too.

    Raises:
        TooLargeError: this config is not tried.
    """
    fixed = config.input_size()
    last = config.features()[-1]
    side = max(SIDE, last.margin + last.stride if last.margin else 0)
    size = to_pair(getattr(config, "img_size", side) if fixed is None else fixed)
    if not all(is_small(level, size) for level in config.features()):
        raise TooLargeError
    spec = tv.specify(config)
    assert tv.ModelSpec.from_json(spec.to_json()) == spec
    try:
        model = tv.create_model(spec, seed=0, limits=limits)
    except tv.LimitError:
        raise TooLargeError from None
    try:
        learns(model, size)
    except (
        RuntimeError,
        ValueError,
        tv.UsageError,
    ):  # the maps are too small, or cannot be divided
        if fixed is not None:
            raise
        learns(model, spec.image.size)
    backbone = tv.create_backbone(spec, device="meta")
    assert backbone.levels == config.features()
    if summarized:
        summary = tv.summarize(spec)
        assert summary.parameters == sum(parameter.numel() for parameter in model.parameters())
    model.reset_classifier(config.num_classes + 1 if config.num_classes else 0)
    assert model.spec == tv.specify(config, num_classes=model.num_classes)


def is_small(level: FeatureSpec, size: tuple[int, int]) -> bool:
    places = math.prod(side / level.stride for side in size)
    return places <= PLACES and places * level.channels <= NUMBERS


def learns(model: tv.ImageModel, size: tuple[int, int]) -> None:
    """One step forth and back, without a number that is none."""
    output = model.train()(randn((2, model.spec.config.in_chans, *size), seed=1).float())
    assert output.isfinite().all()
    output.square().mean().backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


@cache
def limits_of(key: str) -> tv.Limits:
    """Somewhat more than the family's smallest model made small has, if that is large."""
    name, options = bases(key)[0]
    model = tv.create_model(name, device="meta", **options)
    params = sum(parameter.numel() for parameter in model.parameters())
    modules = sum(1 for _ in model.modules())
    return tv.Limits(params=max(PARAMS, 2 * params), modules=max(MODULES, 3 * modules // 2))


@cache
def bases(key: str) -> list[tuple[str, Options]]:
    """Published models made small, which together make every choice."""
    family, rows = index.family(key), index.rows()[key]["variants"]
    names = cover(family.variants, {name: rows[name]["params"] for name in family.variants})
    return [(name, shrunk(name)[0]) for name in names]


def options_near(key: str, chance: Random) -> tuple[str, Options]:
    """A variant of a family, with options that may go together or not."""
    name, small = chance.choice(bases(key))
    return name, {**small, **mutated(tv.configure(name, **small), chance)}


def is_accepted(name: str, options: Options) -> bool:
    try:
        tv.configure(name, **options)
    except tv.ConfigError:
        return False
    return True


def failure(name: str, options: Options, summarized: bool = True) -> str | None:
    """What goes wrong with options that are accepted; None if nothing does."""
    try:
        config = tv.configure(name, **options)
        check(config, limits_of(str(index.family_key(name))), summarized)
    except TooLargeError:
        raise
    except Exception as error:
        first = (str(error) or "assertion").splitlines()[0]
        return f"{type(error).__name__}: {first}"
    return None


def fewest(name: str, options: Options, found: str) -> Options:
    """The options without those that are not needed to go wrong in this way."""
    kind = found.partition(":")[0]
    for option in list(options):
        fewer = {key: value for key, value in options.items() if key != option}
        try:
            other = failure(name, fewer) if is_accepted(name, fewer) else None
        except TooLargeError:
            continue
        if other is not None and other.startswith(kind):
            options = fewer
    return options


@pytest.mark.filterwarnings("ignore:.*zero-element tensors:UserWarning")
@pytest.mark.parametrize(
    ("family", "start", "count"), CHUNKS, ids=[f"{chunk[0].key}-{chunk[1]}" for chunk in CHUNKS]
)
def test_what_is_accepted_works(family: AnyFamily, start: int, count: int) -> None:
    chance = Random(zlib.crc32(family.key.encode()) + start)
    failures, tried = [], 0
    for _ in range(PATIENCE * count):
        name, options = options_near(family.key, chance)
        if not is_accepted(name, options):
            continue
        torch.manual_seed(start + tried)  # of what training drops
        try:
            found = failure(name, options, tried % SUMMARIZED == 0)
        except TooLargeError:
            continue
        tried += 1
        if found is not None:
            failures.append(f"{name} {fewest(name, options, found)}: {found}")
        if tried == count:
            break
    assert not failures, "\n".join(failures)
    assert tried == count
