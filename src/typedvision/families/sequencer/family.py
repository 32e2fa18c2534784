"""The Sequencer family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.sequencer.config import SequencerConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.sequencer.model import Sequencer2d

_SMALL = SequencerConfig(patch_sizes=(7, 2, 1, 1))


class SequencerFamily(ModelFamily[SequencerConfig, "Sequencer2d"]):
    """Recurrent networks on images."""

    key = "sequencer"
    title = "Sequencer"
    paper = "https://arxiv.org/abs/2205.01972"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: SequencerConfig) -> Sequencer2d:
        """The model, not initialised."""
        from typedvision.families.sequencer.model import Sequencer2d

        return Sequencer2d(cfg)

    @classmethod
    def parts(cls, cfg: SequencerConfig) -> Parts:
        """The projection of the patches, and the classifier."""
        return Parts(first_conv=("stem.proj",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "sequencer2d_l": _SMALL.replace(layers=(8, 8, 16, 4)),
        "sequencer2d_m": _SMALL.replace(layers=(4, 3, 14, 3)),
        "sequencer2d_s": _SMALL,
    }
