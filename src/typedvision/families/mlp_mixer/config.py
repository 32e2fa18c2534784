"""MLP-Mixer, ResMLP and gMLP as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from typedvision.config.base import (
    Builds,
    Channels,
    Depth,
    ModelConfig,
    Rate,
    Ratio,
    Size,
    planned,
    to_pair,
)
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, TokenNorm
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.mlp_mixer.model import MlpMixer

BlockName = Literal["mixer", "res", "spatial_gating"]
MlpName = Literal["mlp", "glu", "gated"]
NormName = Literal[TokenNorm, "affine"]


class MlpMixerConfig(ModelConfig, Builds["MlpMixer"]):
    """An MLP-Mixer (https://arxiv.org/abs/2105.01601), a ResMLP (https://arxiv.org/abs/2105.03404)
    or a gMLP (https://arxiv.org/abs/2105.08050): patches, which MLPs mix without attention."""

    img_size: Size = 224
    """Height and width of the input in pixels; one number for a square."""
    patch_size: Size = 16
    """Height and width of a patch in pixels; one number for a square."""
    num_blocks: Depth = 8
    """Number of blocks."""
    embed_dim: Channels = 512
    """Features of each token."""
    mlp_ratio: Ratio | tuple[Ratio, Ratio] = (0.5, 4.0)
    """Hidden features for each feature of a token; a block of `mixer` takes two ratios, for the MLP
    over tokens and for that over features, or one for both."""
    block_layer: BlockName = "mixer"
    """Tokens are mixed by an MLP (`mixer`), by one linear layer (`res`), or by a gate inside the
    MLP over features (`spatial_gating`)."""
    mlp_layer: MlpName = "mlp"
    """Two layers (`mlp`), with a gate between them that comes from the first layer (`glu`,
    https://arxiv.org/abs/2002.05202), or with a gate over tokens (`gated`), which is that of
    `spatial_gating`."""
    norm_layer: NormName = "layernorm"
    """Normalisation; `affine` is a factor and a shift for each feature (ResMLP, section 2)."""
    act_layer: Activation = "gelu"
    """Activation."""
    init_values: Ratio | None = None
    """Initial factor of both branches of a block of `res`; None for 1e-4, and for other blocks,
    which have no such factor."""
    proj_drop_rate: Rate = 0.0
    """Dropout probability after each linear layer of an MLP."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping each residual branch; all blocks have one rate."""
    nlhb: bool = False
    """Initialise the classifier's bias to -log(classes), and not to 0."""
    stem_norm: bool = False
    """Normalise the projected patches."""
    global_pool: Literal["", "avg"] = "avg"
    """How tokens become a vector; with `""` every token is classified."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        gating = self.block_layer == "spatial_gating"
        if gating != (self.mlp_layer == "gated"):
            yield Conflict(
                "'mlp_layer' must be 'gated' where 'block_layer' is 'spatial_gating', and only "
                f"there; got '{self.mlp_layer}' and '{self.block_layer}'",
                "mlp_layer",
            )
        if self.block_layer != "mixer" and isinstance(self.mlp_ratio, tuple):
            yield Conflict(
                f"'mlp_ratio' must be one number where 'block_layer' is '{self.block_layer}', "
                "which has one MLP",
                "mlp_ratio",
            )
        if self.init_values is not None and self.block_layer != "res":
            yield Conflict(
                f"'init_values' must be None where 'block_layer' is '{self.block_layer}', whose "
                "branches have no factor",
                "init_values",
            )
        yield from self._size_conflicts()

    def _size_conflicts(self) -> Iterator[Conflict]:
        sides = zip(to_pair(self.img_size), to_pair(self.patch_size), strict=True)
        if any(image % patch for image, patch in sides):
            yield Conflict(
                f"'img_size' {self.img_size} must be a multiple of 'patch_size' {self.patch_size}",
                "img_size",
            )
        halves = 1 if self.mlp_layer == "mlp" else 2
        if any(hidden < 1 or hidden % halves for hidden in self._hidden()):
            wanted = "a hidden feature" if halves == 1 else "two equal halves of hidden features"
            yield Conflict(
                f"'mlp_ratio' {self.mlp_ratio} must leave each MLP {wanted}; 'embed_dim' is "
                f"{self.embed_dim}",
                "mlp_ratio",
            )

    def input_size(self) -> int | tuple[int, int]:
        """`img_size`: the layers over tokens take so many of them."""
        return self.img_size

    def features(self) -> tuple[FeatureSpec, ...]:
        """The tokens after each block; all have one resolution."""
        stride = max(to_pair(self.patch_size))
        return tuple(
            FeatureSpec(self.embed_dim, stride, f"blocks.{index}")
            for index in range(self.num_blocks)
        )

    @planned
    def plan(self) -> MlpMixerPlan:
        """The model with every number decided."""
        img_size, patch_size = to_pair(self.img_size), to_pair(self.patch_size)
        rows, columns = (a // b for a, b in zip(img_size, patch_size, strict=True))
        tokens_hidden, features_hidden = self._hidden()
        return MlpMixerPlan(
            img_size=img_size,
            patch_size=patch_size,
            grid=(rows, columns),
            tokens=rows * columns,
            tokens_hidden=tokens_hidden,
            features_hidden=features_hidden,
            drop_path_rate=self.drop_path_rate,
        )

    def _hidden(self) -> tuple[int, int]:
        """Hidden features of the MLP over tokens, and of that over features."""
        ratio = self.mlp_ratio
        over_tokens, over_features = ratio if isinstance(ratio, tuple) else (ratio, ratio)
        return int(over_tokens * self.embed_dim), int(over_features * self.embed_dim)


@dataclass(frozen=True, slots=True, kw_only=True)
class MlpMixerPlan:
    """The whole network, with every number decided."""

    img_size: tuple[int, int]
    patch_size: tuple[int, int]
    grid: tuple[int, int]
    """Rows and columns of patches."""
    tokens: int
    tokens_hidden: int
    """Hidden features of an MLP over tokens."""
    features_hidden: int
    """Hidden features of an MLP over features."""
    drop_path_rate: float
    """The rate of stochastic depth of every block."""
