"""ConvMixer (https://arxiv.org/abs/2201.09792).

Shapes: N images, C channels in, D channels, H x W positions, P x P pixels of a patch, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.pooled_model import PooledModel
from typedvision.families.convmixer.config import ConvMixerConfig
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks


class ConvMixer(PooledModel):
    """Patches, blocks that mix positions and then channels, pooling and a linear classifier."""

    classifier_name: ClassVar[str] = "head"
    head: nn.Linear | nn.Identity

    def __init__(self, cfg: ConvMixerConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.dim
        patches = nn.Conv2d(cfg.in_chans, cfg.dim, cfg.patch_size, stride=cfg.patch_size)

        self.stem: nn.Sequential = _act_norm(cfg, patches)
        self.blocks: Blocks = Blocks(*(_block(cfg) for _ in range(cfg.depth)))
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / P, W / P)."""
        return self.blocks(self.stem(x))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / P, W / P) from each block."""
        return self.blocks.outputs(self.stem(x))

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block."""
        return {"stem": r"^stem", "blocks": r"^blocks\.(\d+)"}


class Residual(nn.Module):
    """Adds its input to what a module makes of it."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        return x + self.fn(x)


def _block(cfg: ConvMixerConfig) -> nn.Sequential:
    """A depthwise convolution over positions, then a 1x1 convolution over channels (eq. 2, 3)."""
    over_positions = nn.Conv2d(cfg.dim, cfg.dim, cfg.kernel_size, padding="same", groups=cfg.dim)
    over_channels = nn.Conv2d(cfg.dim, cfg.dim, 1)
    return nn.Sequential(Residual(_act_norm(cfg, over_positions)), *_act_norm(cfg, over_channels))


def _act_norm(cfg: ConvMixerConfig, conv: nn.Conv2d) -> nn.Sequential:
    """A convolution, an activation and a normalisation."""
    return nn.Sequential(conv, activation(cfg.act_layer), nn.BatchNorm2d(cfg.dim))
