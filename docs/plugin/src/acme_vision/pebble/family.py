"""The Pebble family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from acme_vision.pebble.config import PebbleConfig
from typedvision import Capabilities, ModelConfig, ModelFamily, Parts

if TYPE_CHECKING:
    from acme_vision.pebble.model import Pebble


class PebbleFamily(ModelFamily[PebbleConfig, "Pebble"]):
    """Patches, then blocks that alternately mix space and channels."""

    key = "pebble"
    title = "Pebble"
    paper = "https://arxiv.org/abs/2201.09792"
    capabilities: ClassVar[Capabilities] = Capabilities(input_size="any", grad_checkpointing=False)

    @classmethod
    def build(cls, cfg: PebbleConfig) -> Pebble:
        """Build the model without initial weights."""
        from acme_vision.pebble.model import Pebble

        return Pebble(cfg)

    @classmethod
    def parts(cls, cfg: PebbleConfig) -> Parts:
        """The patches' convolution, and the classifier."""
        return Parts(first_conv=("stem",), classifier=("head",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "pebble_small": PebbleConfig(width=32, depth=2),
        "pebble_base": PebbleConfig(),
        "pebble_mixed": PebbleConfig(kernel_size=3, mixing="full"),
    }
