"""Pebble (after ConvMixer, https://arxiv.org/abs/2201.09792).

Shapes: N images, C channels, H x W positions, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from acme_vision.pebble.config import PebbleConfig
from typedvision import ImageModel


class Pebble(ImageModel):
    """A convolution of patches, residual blocks, the mean and a linear classifier."""

    def __init__(self, cfg: PebbleConfig) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.width
        self.head_hidden_size: int = cfg.width
        self.stem: nn.Conv2d = nn.Conv2d(cfg.in_chans, cfg.width, 8, stride=8)
        self.blocks: nn.ModuleList = nn.ModuleList(Block(cfg) for _ in range(cfg.depth))
        self.drop: nn.Dropout = nn.Dropout(cfg.drop_rate)
        self._replace_classifier(cfg.num_classes, "avg")

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 8, W / 8), after each block."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
            yield x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.drop(x.mean((2, 3)))
        return x if pre_logits else self.head(x)

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.head

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self.head: nn.Linear | nn.Identity = (
            nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        )

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block."""
        return {"stem": r"^stem", "blocks": r"^blocks\.(\d+)"}


class Block(nn.Module):
    """A convolution over space, and one over the channels, each with a shortcut."""

    def __init__(self, cfg: PebbleConfig) -> None:
        super().__init__()
        groups = cfg.width if cfg.mixing == "depthwise" else 1
        self.space: nn.Conv2d = nn.Conv2d(
            cfg.width, cfg.width, cfg.kernel_size, padding="same", groups=groups
        )
        self.channels: nn.Conv2d = nn.Conv2d(cfg.width, cfg.width, 1)
        self.act: nn.Module = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to (N, D, H, W)."""
        x = x + self.act(self.space(x))
        x = x + self.act(self.channels(x))
        return x
