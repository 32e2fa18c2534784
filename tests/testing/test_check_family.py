"""A family that breaks its word is told in one sentence, and one that keeps it passes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

import typedvision as tv
from tests.toys import declare
from typedvision.config.base import Builds, Channels
from typedvision.registry.family import FamilyMeta
from typedvision.testing import check_family

pytestmark = pytest.mark.usefixtures("registry")


class NetConfig(tv.ModelConfig, Builds["Net"]):
    """A stem, two stages and a linear layer."""

    width: Channels = 8
    """Channels of the first stage."""
    global_pool: Literal["avg", "max"] = "avg"
    """How the map becomes a vector."""

    def features(self) -> tuple[tv.FeatureSpec, ...]:
        return (
            tv.FeatureSpec(self.width, 2, "stages.0"),
            tv.FeatureSpec(2 * self.width, 4, "stages.1"),
        )


class Net(tv.ImageModel):
    """What `NetConfig` describes."""

    def __init__(self, cfg: NetConfig) -> None:
        super().__init__(cfg)
        self.num_features = self.head_hidden_size = 2 * cfg.width
        self.stem = nn.Conv2d(cfg.in_chans, cfg.width, 3, padding=1)
        self.stages = nn.Sequential(
            nn.Sequential(nn.Conv2d(cfg.width, cfg.width, 3, stride=2, padding=1), nn.GELU()),
            nn.Sequential(nn.Conv2d(cfg.width, 2 * cfg.width, 3, stride=2, padding=1), nn.GELU()),
        )
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
            yield x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = x.mean((2, 3)) if self.global_pool == "avg" else x.amax((2, 3))
        y: Tensor = x if pre_logits else self.fc(x)
        return y

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self.global_pool = global_pool
        self.fc = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        return {"stem": "^stem", "blocks": r"^stages\.(\d+)"}


PARTS = tv.Parts(first_conv=("stem",), classifier=("fc",))
CAPABILITIES = tv.Capabilities(global_pool=("avg", "max"), grad_checkpointing=False)


def family(
    model: type[Net] = Net,
    config: type[NetConfig] = NetConfig,
    parts: tv.Parts = PARTS,
    capabilities: tv.Capabilities = CAPABILITIES,
) -> FamilyMeta:
    """The family of `Net`, with some of it written otherwise."""
    return declare(
        tv.ModelFamily[config, model],  # type: ignore[valid-type]
        variants={"net_small": config(), "net_wide": config(width=16)},
        build=classmethod(lambda cls, cfg: model(cfg)),
        parts=classmethod(lambda cls, cfg: parts),
        capabilities=capabilities,
    )


def problems(broken: FamilyMeta) -> dict[str, str]:
    """What is wrong with a family: where, and the sentence."""
    with pytest.raises(tv.DeclarationError) as caught:
        check_family(broken)  # type: ignore[arg-type]
    assert "breaks its word" in caught.value.summary
    told = caught.value.problems
    return {
        one.where(): "\n".join(other.message for other in told if other.path == one.path)
        for one in told
    }


def test_a_family_that_keeps_its_word_passes() -> None:
    check_family(family())  # type: ignore[arg-type]
    check_family(family(), small=NetConfig(width=4, num_classes=3))  # type: ignore[arg-type]


def level(at: int, **changes: object) -> type[NetConfig]:
    """A config that says something else of a level."""

    class OtherConfig(NetConfig):
        """A net."""

        def features(self) -> tuple[tv.FeatureSpec, ...]:
            rows = [
                {"channels": row.channels, "stride": row.stride, "name": row.name}
                for row in super().features()
            ]
            rows[at].update(changes)  # type: ignore[misc]
            return tuple(tv.FeatureSpec(**row) for row in rows)  # type: ignore[arg-type]

    return OtherConfig


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        (
            {"config": lambda: level(1, channels=17)},
            "net_small.features[1].channels",
            "says 17; the map of 'stages.1' has 16",
        ),
        (
            {"config": lambda: level(0, stride=4)},
            "net_small.features[0].stride",
            "says 4; 16 pixels become 8 steps in 'stages.0', as with a stride of 2",
        ),
        (
            {"config": lambda: level(0, name="stage.0")},
            "net_small.features[0].name",
            "the model has no module 'stage.0'; did you mean 'stages.0'",
        ),
        (
            {"config": lambda: level(0, name="fc")},
            "net_small.features[0].name",
            "'fc' is not called when the level is computed",
        ),
        (
            {"parts": tv.Parts(first_conv=("stem",), classifier=("head",))},
            "net_small.parts.classifier",
            "the model has no module 'head'",
        ),
        (
            {"parts": tv.Parts(first_conv=("stem",), classifier=("stages.1.0",))},
            "net_small.parts.classifier",
            "must name the module of 'fc.weight', which changes with 'num_classes'",
        ),
        (
            {"parts": tv.Parts(first_conv=("stem",), classifier=("fc", "stages.1.0"))},
            "net_small.parts.classifier",
            "nothing in 'stages.1.0' changes with 'num_classes'",
        ),
        (
            {"parts": tv.Parts(first_conv=("stages.0.0",), classifier=("fc",))},
            "net_small.parts.first_conv",
            "must name the module of 'stem.weight', which changes with 'in_chans'",
        ),
        (
            {"parts": tv.Parts(first_conv=(), classifier=("fc",))},
            "net_small.parts.first_conv",
            "must name the module of 'stem.weight', which changes with 'in_chans'",
        ),
        (
            {"parts": tv.Parts(("stem",), ("fc",), distance_tables=("fc.weight",))},
            "net_wide.parts.distance_tables",
            "'fc.weight' has 32 columns, which is not the square of a number",
        ),
        (
            {"parts": tv.Parts(("stem",), ("fc",), axis_tables=("fc.weight",))},
            "net_small.parts.axis_tables",
            "'fc.weight' has 1000 rows; those of an axis are an odd number",
        ),
        (
            {"capabilities": tv.Capabilities(global_pool=("avg", "catavgmax"))},
            "net_small.capabilities.global_pool.catavgmax",
            "is declared, but the config refuses it: must be 'avg' or 'max'",
        ),
        (
            {"capabilities": tv.Capabilities(global_pool=("avg",))},
            "small.capabilities.grad_checkpointing",
            "is declared, but it keeps as many activations",
        ),
    ],
)
def test_a_wrong_declaration_is_told(changes: dict[str, object], where: str, message: str) -> None:
    made = {key: value() if key == "config" else value for key, value in changes.items()}  # type: ignore[operator]
    found = problems(family(**made))  # type: ignore[arg-type]
    assert message in found[where]


class Unused(Net):
    """Has a layer that nothing uses."""

    def __init__(self, cfg: NetConfig) -> None:
        super().__init__(cfg)
        self.more = nn.Linear(4, 4)


class Early(Net):
    """Registers what stands behind the levels before them."""

    def __init__(self, cfg: NetConfig) -> None:
        super().__init__(cfg)
        self.register_module("last", nn.Conv2d(2 * cfg.width, 2 * cfg.width, 1))
        for name in ("stages", "fc"):
            self._modules[name] = self._modules.pop(name)

    def _finish(self, x: Tensor) -> Tensor:
        return self.last(x)


class Uninitialised(Net):
    """Has a buffer that nothing initialises."""

    def __init__(self, cfg: NetConfig) -> None:
        super().__init__(cfg)
        self.register_buffer("scale", torch.ones(1), persistent=False)

    def initializers(self, path: str, module: nn.Module):
        if module is self:
            return {"scale": lambda tensor, _: None}
        return super().initializers(path, module)

    def _finish(self, x: Tensor) -> Tensor:
        return x * self.scale


class Together(Net):
    """Normalises an image by those beside it."""

    def _finish(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Kept(Net):
    """Keeps its classifier."""

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        if not hasattr(self, "fc"):
            super()._replace_classifier(num_classes, global_pool)


class Branching(Net):
    """Looks at the numbers of its input, which no exported program can."""

    def _finish(self, x: Tensor) -> Tensor:
        return x if x.is_meta or x.sum() > 0 else 2 * x


@pytest.mark.parametrize(
    ("model", "where", "message"),
    [
        (Unused, "small.forward", "does not use the parameter 'more.weight'"),
        (Early, "small._levels", "'last' is registered before level 1, which does not use it"),
        (Uninitialised, "small.initializers", "'scale' is not initialised"),
        (Together, "small.forward", "an image's output depends on the images beside it"),
        (Kept, "small._replace_classifier", "'fc.weight' is not what it is in a new model"),
        (Branching, "small.check_export", "gives one program for any number of images. Instead: "),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_model_that_does_otherwise_is_told(model: type[Net], where: str, message: str) -> None:
    assert message in problems(family(model))[where]


def test_every_problem_is_told_at_once_and_once() -> None:
    parts = tv.Parts(first_conv=("stm",), classifier=("head",))
    found = problems(family(config=level(1, stride=2), parts=parts))
    assert set(found) == {
        "net_small.parts.first_conv",
        "net_small.parts.classifier",
        "net_small.features[1].stride",
    }


def test_an_open_end_of_the_schema_is_told() -> None:
    class OpenConfig(NetConfig):
        """A net."""

        depth: int = 3
        """Number of blocks."""

    found = problems(family(config=OpenConfig))
    assert found["net_small.config.depth"] == "has no lower bound\nhas no upper bound"


def test_a_plan_of_more_than_is_made_is_told() -> None:
    class PlannedConfig(NetConfig):
        """A net."""

        def plan(self) -> tuple[float, ...]:
            return (0.0, 0.1, 0.2)

    found = problems(family(config=PlannedConfig))
    assert found["net_small.config.plan"].startswith("lists 12 modules, four for each")


def test_what_a_model_raises_is_told() -> None:
    class Failing(Net):
        def _levels(self, x: Tensor) -> Iterator[Tensor]:
            raise ZeroDivisionError("no stage")

    found = problems(family(Failing))
    assert "Instead: ZeroDivisionError: no stage" in found["net_small.check_levels"]
