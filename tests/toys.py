"""The smallest family that there can be, to declare in tests."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.config.base import Builds, Channels, Config, Depth, ModelConfig, Rate, Size
from typedvision.config.features import FeatureSpec
from typedvision.registry.family import Capabilities, FamilyMeta, ModelFamily, Parts


class ToyArgs(Config):
    """Nested choices."""

    kind: Literal["plain", "gated"] = "plain"
    """Which one."""
    rate: Rate = 0.0
    """How often."""


class ToyConfig(ModelConfig, Builds["Toy"]):
    """A network of one layer."""

    width: Channels = 4
    """Features."""
    depths: tuple[Depth, Depth] = (1, 2)
    """Numbers that nothing depends on."""
    size: Size = 8
    """One number or two."""
    global_pool: Literal["", "avg"] = "avg"
    """How the map becomes a vector."""
    args: ToyArgs = ToyArgs()
    """Nested choices."""

    def features(self) -> tuple[FeatureSpec, ...]:
        return (FeatureSpec(self.width, 1, "stem"),)


class OtherConfig(ModelConfig):
    """A config of another class."""

    def features(self) -> tuple[FeatureSpec, ...]:
        return ()


class Toy(ImageModel):
    """One convolution, the mean and a linear layer."""

    def __init__(self, cfg: ToyConfig) -> None:
        super().__init__(cfg)
        self.num_features = self.head_hidden_size = cfg.width
        self.stem = nn.Conv2d(cfg.in_chans, cfg.width, 1)
        self.register_buffer("steps", torch.empty((), dtype=torch.int64), persistent=False)
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        yield self.stem(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = x.mean((2, 3))
        y: Tensor = x if pre_logits else self.head(x)
        return y

    def get_classifier(self) -> nn.Module:
        return self.head

    def _replace_classifier(self, num_classes: int, global_pool: object) -> None:
        self.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def initializers(self, path: str, module: nn.Module):
        if module is self:
            return {"steps": lambda tensor, _: tensor.fill_(0)}
        return super().initializers(path, module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        return {"stem": "^stem"}


@classmethod
def build(cls: type, cfg: ToyConfig) -> Toy:
    return Toy(cfg)


@classmethod
def parts(cls: type, cfg: ToyConfig) -> Parts:
    return Parts(first_conv=("stem",), classifier=("head",))


COMPLETE: dict[str, object] = {
    "__module__": "elsewhere.toy.family",
    "key": "toy",
    "title": "Toy",
    "paper": "https://example.org",
    "capabilities": Capabilities(global_pool=("avg",)),
    "variants": {"toy_small": ToyConfig(), "toy_wide": ToyConfig(width=16)},
    "build": build,
    "parts": parts,
}


def declare(base: object = ModelFamily[ToyConfig, Toy], **changes: object) -> FamilyMeta:
    """Run the class statement of a family, with some of its lines written otherwise.

    A line that is changed to None is left out.
    """
    lines = {name: value for name, value in {**COMPLETE, **changes}.items() if value is not None}
    return types.new_class("ToyFamily", (base,), exec_body=lambda body: body.update(lines))
