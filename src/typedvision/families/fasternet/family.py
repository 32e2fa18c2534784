"""The FasterNet family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.fasternet.config import FasterNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.fasternet.model import FasterNet


class FasterNetFamily(ModelFamily[FasterNetConfig, "FasterNet"]):
    """FasterNet."""

    key = "fasternet"
    title = "FasterNet"
    paper = "https://arxiv.org/abs/2303.03667"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax")
    )

    @classmethod
    def build(cls, cfg: FasterNetConfig) -> FasterNet:
        """The model, not initialised."""
        from typedvision.families.fasternet.model import FasterNet

        return FasterNet(cfg)

    @classmethod
    def parts(cls, cfg: FasterNetConfig) -> Parts:
        """The patches' convolution, and the classifier."""
        return Parts(first_conv=("patch_embed.proj",), classifier=("classifier",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "fasternet_l": FasterNetConfig(embed_dim=192, depths=(3, 4, 18, 3), drop_path_rate=0.3),
        "fasternet_m": FasterNetConfig(embed_dim=144, depths=(3, 4, 18, 3), drop_path_rate=0.2),
        "fasternet_s": FasterNetConfig(embed_dim=128, depths=(1, 2, 13, 2)),
        "fasternet_t0": FasterNetConfig(embed_dim=40, act_layer="gelu", drop_path_rate=0.0),
        "fasternet_t1": FasterNetConfig(embed_dim=64, act_layer="gelu", drop_path_rate=0.02),
        "fasternet_t2": FasterNetConfig(drop_path_rate=0.05),
    }
