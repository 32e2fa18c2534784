"""Whatever a config accepts is a model that builds, runs and trains.

Configs are drawn at random, near published ones made small. Each one that is accepted is written
and read, built on the meta device, given another classifier and cut to a backbone. `make test`
draws 50 of each family, `FEW` where the smallest model is slow to build, and initialises and
trains, for a step, `TRAINED` of those that make a choice which no trained one has made; one, where
it is slow.
`make fuzz` draws `FUZZ_CONFIGS`, 2,000 of each family, and trains them all; where the smallest
model is `SLOW` to build or `LARGE`, `TRAINED` of every 50.
"""

from __future__ import annotations

import math
import os
import zlib
from dataclasses import dataclass
from functools import cache
from random import Random

import pytest
import torch

import typedvision as tv
from tests.contract.conftest import image_size
from tests.contract.drawing import mutated
from tests.contract.facts import FAMILIES
from tests.contract.filling import randn
from tests.figures import Figures
from tools.choices import choices, cover
from tools.shrink import Options, shrunk
from typedvision.architecture.backbone import Backbone
from typedvision.architecture.build import fewest_modules
from typedvision.config.base import ModelConfig
from typedvision.config.features import FeatureSpec
from typedvision.registry import index
from typedvision.registry.backbone import backbone_spec_for
from typedvision.registry.family import AnyFamily

KIND = "configs"
CONFIGS = int(os.environ.get("FUZZ_CONFIGS", "50"))
THOROUGH = "FUZZ_CONFIGS" in os.environ
AT_ONCE = 50  # configs of one test
PARAMS = 500_000
MODULES = 200
NUMBERS = 2_000_000  # of a feature map
PLACES = 1_024  # of the last feature map, where attention may be
WEIGHTS = 16_000_000  # of the attention between them
PATIENCE = 200  # draws for each config that is accepted and small enough
FEW = 6
TRAINED = 3
SLOW = 390  # modules
LARGE = 3_000_000  # parameters
SUMMARIZED = 25  # of so many configs, the cost of one is counted, which takes longer than training
CHUNKS = [
    (family, start, min(AT_ONCE, CONFIGS - start))
    for family in FAMILIES
    for start in range(0, CONFIGS, AT_ONCE)
]


class TooLargeError(Exception):
    """The config is not tried: it would take too long."""


@dataclass(frozen=True)
class Base:
    """A published model made small."""

    name: str
    options: Options
    params: int
    modules: int

    @property
    def limits(self) -> tv.Limits:
        """Somewhat more than the model itself has, if that is large."""
        return tv.Limits(
            params=max(PARAMS, 2 * self.params), modules=max(MODULES, 3 * self.modules // 2)
        )

    @property
    def weight(self) -> float:
        """How often the model is drawn: what takes longer, more rarely."""
        return 1 / (self.modules + self.params / 10_000)


def check(config: ModelConfig, limits: tv.Limits, trained: bool, summarized: bool) -> None:
    """Everything that a model of this config must be able to do.

    Args:
        config: the config.
        limits: what the model may have.
        trained: initialise and train the model, too.
        summarized: count what the model costs, too.

    Raises:
        TooLargeError: this config is not tried.
    """
    spec, levels = tv.specify(config), config.features()
    sizes = [spec.image.size]
    if spec.config.input_size() is None and not hasattr(config, "img_size"):
        sizes.insert(0, image_size(config))  # may be too small
    if is_too_large(config, sizes[0]):
        raise TooLargeError
    assert tv.ModelSpec.from_json(spec.to_json()) == spec
    try:
        model = tv.create_model(spec, device=None if trained else "meta", seed=0, limits=limits)
    except tv.LimitError:
        raise TooLargeError from None
    assert fewest_modules(config) <= sum(1 for _ in model.modules())
    if trained:
        try:
            runs(model, sizes[0])
        except (RuntimeError, ValueError, tv.UsageError):
            if len(sizes) == 1:
                raise
            runs(model, sizes[1])
    if summarized:
        summary = tv.summarize(spec)
        assert summary.parameters == sum(parameter.numel() for parameter in model.parameters())
    model.reset_classifier(config.num_classes + 1 if config.num_classes else 0)
    assert model.spec == tv.specify(config, num_classes=model.num_classes)
    # Of the model at hand, because building another takes as long as all the rest.
    backbone = Backbone(model, backbone_spec_for(model.spec, None, None))
    assert backbone.levels == levels


def is_too_large(config: ModelConfig, size: tuple[int, int]) -> bool:
    """Whether maps and attention of images of this size would take too long."""
    levels = config.features()
    last, heads = places(levels[-1], size), getattr(config, "num_heads", 1)
    if hasattr(config, "img_scale"):
        last = max(places(level, size) for level in levels)  # any branch may have more
    window = getattr(config, "window_size", None)
    if isinstance(window, int):
        last = max(last, window**2)  # a smaller map is padded to it
    return (
        last > PLACES
        or last**2 * (heads if isinstance(heads, int) else max(heads)) > WEIGHTS
        or any(places(level, size) * level.channels > NUMBERS for level in levels)
    )


def places(level: FeatureSpec, size: tuple[int, int]) -> float:
    """How many positions the map of a level has, of images of this size."""
    return math.prod(side / level.stride for side in size)


def runs(model: tv.ImageModel, size: tuple[int, int]) -> None:
    """One step of training, without a number that is none; and the levels that the config says."""
    config = model.spec.config
    images = randn((2, config.in_chans, *size), seed=1).float()
    final, levels = model.train().forward_intermediates(images)
    output = model.forward_head(final)
    assert output.shape[0] == 2
    assert config.num_classes in (0, *output.shape[1:])  # logits may be those of a map
    assert output.isfinite().all()
    output.square().mean().backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    if getattr(config, "pos_drop_rate", 0.0) < 1.0:  # else norm after norm divides zeros by its eps
        assert all(gradient.isfinite().all() for gradient in gradients)
    for level, found in zip(config.features(), levels, strict=True):
        assert found.shape[1] == level.channels


@cache
def bases(key: str) -> list[Base]:
    """Published models of a family made small, which together make every choice."""
    family, rows = index.family(key), index.rows()[key]["variants"]
    names = cover(family.variants, {name: rows[name]["params"] for name in family.variants})
    found = []
    for name in names:
        options, config = shrunk(name)
        model = tv.create_model(tv.specify(config), device="meta")
        params = sum(parameter.numel() for parameter in model.parameters())
        found.append(Base(name, options, params, sum(1 for _ in model.modules())))
    return found


def options_near(base: Base, chance: Random) -> Options:
    """The options of a model, some of them replaced by what may go together or not."""
    return {**base.options, **mutated(tv.configure(base.name, **base.options), chance)}


def accepted(name: str, options: Options) -> ModelConfig | None:
    """The config with these options; None where it is refused."""
    try:
        return tv.configure(name, **options)
    except tv.ConfigError:
        return None


def failure(
    config: ModelConfig, limits: tv.Limits, trained: bool = True, summarized: bool = True
) -> str | None:
    """What goes wrong with a config that is accepted; None if nothing does.

    Raises:
        TooLargeError: this config is not tried.
    """
    try:
        check(config, limits, trained, summarized)
    except TooLargeError:
        raise
    except Exception as error:
        first = (str(error) or "assertion").splitlines()[0]
        return f"{type(error).__name__}: {first}"
    return None


def fewest(base: Base, options: Options, found: str) -> Options:
    """The options without those that are not needed to go wrong in this way."""
    kind = found.partition(":")[0]
    for option in list(options):
        fewer = {key: value for key, value in options.items() if key != option}
        config = accepted(base.name, fewer)
        try:
            other = failure(config, base.limits) if config else None
        except TooLargeError:
            continue
        if other is not None and other.startswith(kind):
            options = fewer
    return options


@pytest.mark.filterwarnings("ignore:.*zero-element tensors:UserWarning")
@pytest.mark.parametrize(
    ("family", "start", "count"), CHUNKS, ids=[f"{chunk[0].key}-{chunk[1]}" for chunk in CHUNKS]
)
def test_what_is_accepted_works(
    family: AnyFamily, start: int, count: int, figures: Figures
) -> None:
    chance = Random(zlib.crc32(family.key.encode()) + start)
    near = bases(family.key)
    weights = [base.weight for base in near]
    failures = list[str]()
    seen, made = set[ModelConfig](), set[str]()
    slow, most = min(base.modules for base in near) > SLOW, TRAINED
    all_trained = THOROUGH and not slow and min(base.params for base in near) <= LARGE
    if slow and not THOROUGH:
        count, most = FEW, 1
    while figures.accepted < count and figures.tried < PATIENCE * count:
        (base,) = chance.choices(near, weights)
        options = options_near(base, chance)
        number = figures.accepted
        with figures.case(base.name):
            config = accepted(base.name, options)
            if config is None:
                figures.refused += 1
                continue
            if config in seen:
                continue
            seen.add(config)
            trained = all_trained or (figures.ran < most and not choices(config) <= made)
            summarized = THOROUGH and number % SUMMARIZED == 0
            if trained:
                torch.manual_seed(start + number)  # of what training drops
            try:
                found = failure(config, base.limits, trained, summarized)
            except TooLargeError:
                continue
        figures.accepted += 1
        if trained:
            made |= choices(config)
        if found is None:
            figures.built += 1
            figures.ran += trained
        else:
            failures.append(f"{base.name} {fewest(base, options, found)}: {found}")
    assert not failures, "\n".join(failures)
    assert figures.accepted == count
