"""`TokenModel`, the abstract base of Vision Transformers and their like.

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, P tokens in front of the
patches, T = P + L tokens, D features, K classes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import (
    LAST_GROUP,
    ImageModel,
    chosen_levels,
    describe,
)
from typedvision.config.names import OutputFormat
from typedvision.config.tokens import (
    BlockPlan,
    PatchConfig,
    PrefixTokenConfig,
    TokenConfig,
    TokenPlan,
    TokenPooling,
)
from typedvision.layers.activation import activation
from typedvision.layers.attention import NormMaker
from typedvision.layers.blocks import Blocks
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, scaled, trunc_normal
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchDropout, PatchEmbed
from typedvision.layers.position import resample_position_table
from typedvision.layers.token_pool import AttentionPool, GlobalTokenPool, RefinedTokenPool
from typedvision.layers.transformer_init import transformer_initializers

Inputs = tuple[Tensor, *tuple[Tensor | None, ...]]
"""What blocks take: the tokens, (N, T, D), and what is the family's."""

torch.fx.wrap("resample_position_table")  # looks at sizes, which a symbolic trace cannot


class TokenModel(ImageModel):
    """Patches and learned tokens, blocks that attend to them, pooling and a linear classifier
    (https://arxiv.org/abs/2010.11929, figure 1).

    A family calls this constructor, adds what is its own, and ends with `_add_encoder`. What its
    blocks take besides the tokens, its `_embed` gives.

    Args:
        cfg: the config.
        plan: its plan, made once.
        stem: what makes a map of the image that is cut into patches; None for the image itself.
        stem_channels: channels of that map; None where they are the tokens' features.
    """

    output_fmt: OutputFormat = "NLC"
    embed_dim: int
    """Number of features of each token."""
    num_prefix_tokens: int
    """Number of tokens in front of the patches: class token, distillation token, registers."""
    num_reg_tokens: int
    """Number of register tokens."""
    has_class_token: bool
    """Whether the first token is a class token."""
    no_embed_class: bool
    """Whether learned positions are those of the patches only."""
    dynamic_img_size: bool
    """Whether images of any size go in."""
    global_pool: TokenPooling
    """How tokens become a vector; `reset_classifier` changes it."""
    unpooled: int
    """Number of tokens in front that the pooling leaves out."""
    img_size: tuple[int, int]
    """Height and width in pixels that positions are made for; `set_input_size` changes it."""
    grid: tuple[int, int]
    """Rows and columns of patches in an image of that size."""

    @abstractmethod
    def __init__(
        self,
        cfg: TokenConfig,
        plan: TokenPlan[BlockPlan],
        stem: nn.Module | None = None,
        stem_channels: int | None = None,
    ) -> None:
        super().__init__(cfg)
        features = cfg.width
        self.embed_dim = features
        self.num_features: int = features
        self.head_hidden_size: int = features
        self.num_prefix_tokens = plan.prefix
        self.num_reg_tokens = plan.registers
        self.has_class_token = plan.class_token
        self.no_embed_class = not plan.embeds_prefix
        self.dynamic_img_size = plan.any_size
        self.img_size, self.grid = plan.img_size, plan.grid
        option = "dynamic_img_pad" if plan.any_size else "dynamic_img_size"
        flexible = isinstance(cfg, PrefixTokenConfig)
        self._other_sizes: str = f"build it with {option}=True" if flexible else ""
        self._cfg: TokenConfig = cfg
        self._plan: TokenPlan[BlockPlan] = plan

        self._add_embedding(stem, stem_channels)

    def _add_embedding(self, stem: nn.Module | None, stem_channels: int | None) -> None:
        """Put in place what makes tokens of an image."""
        cfg, plan, features = self._cfg, self._plan, self.embed_dim
        self.patch_embed: PatchEmbed = PatchEmbed(
            stem_channels or cfg.in_chans,
            features,
            plan.patch_size,
            pad=plan.pads,
            bias=plan.patch_bias,
            norm=token_norm(plan.patch_norm, features, cfg.norm_eps) if plan.patch_norm else None,
            stem=stem,
            reduction=plan.reduction,
            projects=stem is None or stem_channels is not None,
        )
        self.cls_token: nn.Parameter | None = learned_tokens(plan.class_token, features)
        self.reg_token: nn.Parameter | None = learned_tokens(plan.registers, features)
        self.pos_embed: nn.Parameter | None = learned_tokens(plan.positions, features)
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.patch_drop: PatchDropout = PatchDropout(plan.patch_drop_rate, plan.prefix)

    def _add_encoder(self, blocks: Iterable[nn.Module], **behind: nn.Module) -> None:
        """Put the blocks in place, the normalisations around them, and the head; between the blocks
        and the last normalisation what is `behind`, by name."""
        norm, plan = norm_maker(self._cfg), self._plan
        self.norm_pre: nn.Module = norm(self.embed_dim) if plan.pre_norm else nn.Identity()
        self.blocks: Blocks = Blocks(*blocks)
        for name, module in behind.items():
            self.add_module(name, module)
        self.norm: nn.Module = norm(self.embed_dim) if plan.norm else nn.Identity()
        self.attn_pool: nn.Module = self._attention_pool()
        self.fc_norm: nn.Module = norm(self.embed_dim) if plan.fc_norm else nn.Identity()
        self._add_classifier()

    def _attention_pool(self) -> nn.Module:
        """The pooling that attends; the identity where there is a simpler one."""
        features, plan = self.embed_dim, self._plan
        match plan.global_pool:
            case "map":
                mlp = Mlp(features, plan.pool_hidden, activation(plan.pool_act, inplace=False))
                norm = norm_maker(self._cfg)(features)
                return AttentionPool(features, plan.pool_heads, norm, mlp)
            case "prr":
                return RefinedTokenPool(plan.pool_heads)
            case _:
                return nn.Identity()

    def _add_classifier(self) -> None:
        """Put the pooling that is no attention, and an uninitialised classifier, in place."""
        self.global_pool, self.unpooled = self._plan.global_pool, self._plan.unpooled
        self.pool: GlobalTokenPool = GlobalTokenPool(self._plan.pool)
        self.head_drop: nn.Dropout = nn.Dropout(self._cfg.drop_rate)
        self.head: nn.Linear | nn.Identity = linear_classifier(
            self.embed_dim, self._cfg.num_classes
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, T, D) (equations 1 to 3, and the normalisation of equation 4)."""
        return self._finish(self.blocks(*self._embed(x)))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K)."""
        x = self.pool(self.attn_pool(x[:, self.unpooled :]))
        x = self.head_drop(self.fc_norm(x))
        return x if pre_logits else self.head(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, T, D) after each block; training leaves out no patches here."""
        yield from self.blocks.outputs(*self._embed(x, all_patches=True))

    def _embed(self, x: Tensor, *, all_patches: bool = False) -> Inputs:
        """(N, C, H, W) to what the blocks take: the tokens, (N, T, D), and what is the family's.

        Args:
            x: the images.
            all_patches: whether training leaves out no patches.
        """
        x = self._tokens(self._patches(x))
        return (self.norm_pre(x if all_patches else self.patch_drop(x)),)

    def _patches(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the embedded patches, (N, h, w, D)."""
        wanted = None if self.dynamic_img_size else self.img_size
        self.patch_embed.check_size(x, wanted, self._other_sizes)
        return self.patch_embed(x)

    def _tokens(self, patches: Tensor) -> Tensor:
        """(N, h, w, D) to tokens with learned positions, (N, T, D) (equation 1)."""
        x = patches.flatten(1, 2)
        front = [part.expand(x.shape[0], -1, -1) for part in self._prefix() if part is not None]
        if not self.no_embed_class:
            x = torch.cat((*front, x), dim=1)
        if self.pos_embed is not None:
            rows, columns = patches.shape[1:3]
            x = x + resample_position_table(self.pos_embed, self.grid, (rows, columns))
        if self.no_embed_class:
            x = torch.cat((*front, x), dim=1)
        return self.pos_drop(x)

    def _prefix(self) -> tuple[nn.Parameter | None, ...]:
        """The tokens in front of the patches, (1, ..., D) each, in their order."""
        return self.cls_token, self.reg_token

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation, where it stands before the pooling."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """Normalised by the last normalisation, where it stands before the pooling."""
        return self._finish(x)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """The patches of (N, T, D) as a map, (N, D, h, w)."""
        rows, columns = self.patch_embed.grid(*pixels)
        patches = x[:, self.num_prefix_tokens :].reshape(x.shape[0], rows, columns, -1)
        return patches.permute(0, 3, 1, 2).contiguous()

    def get_intermediate_layers(
        self,
        x: Tensor,
        n: int | Sequence[int] = 1,
        reshape: bool = False,
        return_prefix_tokens: bool = False,
        norm: bool = False,
    ) -> list[Tensor] | list[tuple[Tensor, Tensor]]:
        """The patches after some blocks, as DINO and DINOv2 (https://arxiv.org/abs/2304.07193)
        call it.

        Args:
            x: images, (N, C, H, W).
            n: the last so many blocks, or these blocks.
            reshape: give maps (N, D, h, w) instead of patches (N, L, D).
            return_prefix_tokens: give each with the tokens in front of the patches, (N, P, D).
            norm: normalise as the last features are.

        Raises:
            ConfigError: there is no such block.
        """
        wanted = chosen_levels(n, len(self.feature_info))
        pixels = (x.shape[-2], x.shape[-1])
        found = [y for index, y in enumerate(self._levels(x)) if index in wanted]
        found = [self.norm(y) for y in found] if norm else found
        patches = [
            self._map(y, pixels) if reshape else y[:, self.num_prefix_tokens :] for y in found
        ]
        if not return_prefix_tokens:
            return patches
        return [
            (one, y[:, : self.num_prefix_tokens]) for one, y in zip(patches, found, strict=True)
        ]

    def set_input_size(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
    ) -> None:
        """Take images of another size, in other patches; `spec` follows.

        The tables of positions and the projection of the patches are resampled.

        Args:
            img_size: height and width in pixels; one number for a square; None keeps it.
            patch_size: height and width of a patch; one number for a square; None keeps it.

        Raises:
            ConfigError: the sizes do not go together; the model is as it was.
        """
        wanted = {"img_size": img_size, "patch_size": patch_size}
        sizes = {name: size for name, size in wanted.items() if size is not None}
        cfg = self._cfg.replace(**sizes)
        plan = cfg.plan()
        if plan.patch_size != self.patch_embed.patch_size:
            self.patch_embed.set_patch_size(plan.patch_size)
        if self.pos_embed is not None:
            table = resample_position_table(self.pos_embed.detach(), self.grid, plan.grid)
            self.pos_embed = nn.Parameter(table, self.pos_embed.requires_grad)
        self.img_size, self.grid = plan.img_size, plan.grid
        self._plan = plan
        describe(self, self.spec.with_options(**sizes))

    def _replace_classifier(self, num_classes: int, global_pool: TokenPooling) -> None:
        cfg, old = self._cfg.replace(num_classes=num_classes, global_pool=global_pool), self._plan
        self._cfg, self._plan = cfg, cfg.plan()
        if self._plan.fc_norm != old.fc_norm:
            if self._plan.norm != old.norm:  # what was learned goes to the pooling's other side
                self.norm, self.fc_norm = self.fc_norm, self.norm
            else:
                made = norm_maker(cfg)(self.embed_dim) if self._plan.fc_norm else nn.Identity()
                self.fc_norm = made
        if global_pool != self.global_pool:
            self.attn_pool = self._attention_pool()
        self._add_classifier()

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Small random tokens and positions; what is linear by the plan's `weight_init`, times the
        plan's factors for output projections and the classifier."""
        if module is self:
            names = [name for name, _ in self.named_parameters(recurse=False)]
            return dict.fromkeys(names, trunc_normal(0.02))
        initializers = transformer_initializers(self._plan.weight_init, path, module)
        match path.split("."):
            case ["blocks", index, "attn", "proj"] | ["blocks", index, "mlp", "fc2"]:
                factor = self._plan.blocks[int(index)].output_scale
            case ["head"]:
                factor = self._plan.head_scale
            case _:
                return initializers
        return {**initializers, "weight": scaled(initializers["weight"], factor)}

    def no_weight_decay(self) -> set[str]:
        """The learned tokens and positions."""
        return {name for name, _ in self.named_parameters(recurse=False)}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, then the last normalisation with the last block."""
        return {"stem": _STEM, "blocks": [(_BLOCK, None), (_LAST_NORM, LAST_GROUP)]}


_STEM = r"^(?:cls_token|dist_token|reg_token|pos_embed|patch_embed|norm_pre|rel_pos_bias)"
_BLOCK = r"^blocks\.(\d+)"
_LAST_NORM = r"^norm"


def norm_maker(cfg: PatchConfig) -> NormMaker:
    """What makes the config's normalisation of so many features."""
    return partial(token_norm, cfg.norm_layer, eps=cfg.norm_eps)


def learned_tokens(count: int, features: int) -> nn.Parameter | None:
    """So many learned tokens, (1, count, D), not initialised; None for none."""
    return nn.Parameter(torch.empty(1, count, features)) if count else None
