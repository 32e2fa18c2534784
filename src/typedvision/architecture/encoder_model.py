"""`EncoderModel`, the abstract base of language models' image encoders, and the classifier around
one.

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, D features, M tokens for a
language model, F features of each, K classes.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel, check_multiple
from typedvision.config.encoders import EncoderConfig
from typedvision.config.names import OutputFormat
from typedvision.layers.blocks import Blocks
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, trunc_normal
from typedvision.layers.rotary import RotaryEmbedding
from typedvision.layers.transformer_init import transformer_initializers

torch.fx.wrap("check_multiple")  # looks at sizes, which a symbolic trace cannot


class EncoderModel(ImageModel, ABC):
    """Patches, blocks that attend with rotary positions, and a projector that makes tokens for a
    language model.

    A family calls this constructor, adds what is its own, and ends with `_add_encoder`.

    Args:
        cfg: the config.
        patch_embed: embeds the patches, (N, C, H, W) to (N, h, w, D).
        rope: their rotary embedding.
    """

    output_fmt: OutputFormat = "NHWC"
    projector: str
    """Name of the projector; empty for none."""

    def __init__(self, cfg: EncoderConfig, patch_embed: nn.Module, rope: RotaryEmbedding) -> None:
        super().__init__(cfg)
        self._cfg: EncoderConfig = cfg
        self.num_features: int = cfg.embed_dim
        self.head_hidden_size: int = cfg.out_channels
        self.multiple: int = cfg.multiple
        self.patch_embed: nn.Module = patch_embed
        self.rope: RotaryEmbedding = rope

    def _add_encoder(
        self, blocks: Iterable[nn.Module], norm: nn.Module, **projector: nn.Module
    ) -> None:
        """Put the blocks in place, the normalisation behind them, and the projector, by name."""
        self.blocks: Blocks = Blocks(*blocks)
        self.norm: nn.Module = norm
        self.averages: bool = self._cfg.global_pool == "avg"
        self.projector = "".join(projector)
        for name, module in projector.items():
            self.add_module(name, module)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the patches, (N, h, w, D)."""
        return self._finish(self.blocks(*self._embed(x)))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Patches (N, h, w, D) to tokens for a language model, (N, M, F); without a projector to
        their mean, (N, D), or as they are."""
        if self.projector:
            tokens: Tensor = self.get_submodule(self.projector)(x)
            return tokens
        return x.mean((1, 2)) if self.averages else x

    def _embed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) to the embedded patches, (N, h, w, D), and their rotary embedding."""
        check_multiple(x, self.multiple)
        x = self._positioned(self.patch_embed(x))
        rows, columns = x.shape[1:3]
        return x, self.rope((rows, columns), x)

    def _positioned(self, x: Tensor) -> Tensor:
        """Patches (N, h, w, D) with learned positions, where there are."""
        return x

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, h, w, D) after each block."""
        return self.blocks.outputs(*self._embed(x))

    def _finish(self, x: Tensor) -> Tensor:
        """The normalisation behind the blocks, where there is one."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """By the normalisation behind the blocks."""
        return self.norm(x)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return x.permute(0, 3, 1, 2).contiguous()

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self.averages = global_pool == "avg"

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Learned positions and what is linear by a deviation of 0.02."""
        if module is self:
            return {"pos_embed": trunc_normal(0.02)}
        return transformer_initializers("", path, module)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then what follows with the last block."""
        return {
            "stem": r"^(?:patch_embed|pos_embed)",
            "blocks": [(r"^blocks\.(\d+)", None), (r"^(?:norm|merger|aligner)", LAST_GROUP)],
        }


class EncoderClassifier(ImageModel, ABC):
    """An encoder, the mean of its patches or tokens, a normalisation without scale, and a linear
    classifier.

    Args:
        cfg: the config.
        encoder: the encoder.
        norm: the normalisation.
    """

    def __init__(self, cfg: EncoderConfig, encoder: EncoderModel, norm: nn.Module) -> None:
        super().__init__(cfg)
        self._cfg: EncoderConfig = cfg
        self.num_features: int = cfg.out_channels
        self.head_hidden_size: int = cfg.out_channels
        self.output_fmt: OutputFormat = "NLC" if cfg.projects else "NHWC"
        self.encoder: EncoderModel = encoder
        self.norm: nn.Module = norm if cfg.final_norm else nn.Identity()
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self.averages: bool = global_pool == "avg"
        self.head_drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.head: nn.Linear | nn.Identity = linear_classifier(self.num_features, num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the patches, (N, h, w, D), or the projector's tokens, (N, M, F)."""
        return self._finish(self.encoder.blocks(*self.encoder._embed(x)))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Patches or tokens to (N, K); to (N, L, K) or (N, M, K) where nothing is averaged."""
        x = x.flatten(1, -2)
        x = self.head_drop(self.norm(x.mean(1) if self.averages else x))
        return x if pre_logits else self.head(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, h, w, D) after each block of the encoder."""
        return self.encoder._levels(x)

    def _finish(self, x: Tensor) -> Tensor:
        """What follows the encoder's blocks: its normalisation, and its projector."""
        x = self.encoder._finish(x)
        return self.encoder.forward_head(x) if self.encoder.projector else x

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """By the encoder's normalisation."""
        return self.encoder._normalized(x, level)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return self.encoder._map(x, pixels)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """The encoder's, and the classifier by a deviation of 0.02."""
        return self.encoder.initializers(path.removeprefix("encoder."), module)

    def no_weight_decay(self) -> set[str]:
        """The encoder's learned positions."""
        return {f"encoder.{name}" for name in self.encoder.no_weight_decay()}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then all that follows with the last block."""
        return {
            "stem": r"^encoder\.(?:patch_embed|pos_embed)",
            "blocks": [
                (r"^encoder\.blocks\.(\d+)", None),
                (r"^(?:encoder\.(?:norm|merger|aligner)|norm|head)", LAST_GROUP),
            ],
        }
