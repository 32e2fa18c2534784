"""Inception-v3 as data: what can vary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import Builds
from typedvision.config.features import FeatureSpec
from typedvision.config.inception import InceptionConfig
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.inception_v3.model import InceptionV3


class InceptionV3Config(InceptionConfig, Builds["InceptionV3"]):
    """Inception-v3 (https://arxiv.org/abs/1512.00567)."""

    normalized_channels: ClassVar[tuple[int, ...]] = (80,)

    aux_logits: bool = False
    """Whether there is an auxiliary classifier (section 4), which sees an earlier map."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from super().conflicts()
        if self.aux_logits and not self.num_classes:
            yield Conflict("'aux_logits' needs classes: set 'num_classes'", "aux_logits")

    def features(self) -> tuple[FeatureSpec, ...]:
        """The last map of each resolution."""
        return (
            FeatureSpec(64, 2, "Conv2d_2b_3x3", margin=5),
            FeatureSpec(192, 4, "Conv2d_4a_3x3", margin=15),
            FeatureSpec(288, 8, "Mixed_5d", margin=19),
            FeatureSpec(768, 16, "Mixed_6e", margin=27),
            FeatureSpec(2048, 32, "Mixed_7c", margin=43),
        )
