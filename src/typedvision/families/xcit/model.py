"""XCiT (https://arxiv.org/abs/2106.09681).

Shapes: N images, C channels, H x W pixels, h x w patches, T = 1 + h w tokens: the class token and
the patches, D features, A attention heads, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel, describe
from typedvision.config.tokens import BlockPlan, TokenPooling
from typedvision.families.xcit.config import XcitConfig
from typedvision.layers.activation import activation
from typedvision.layers.blocks import Blocks
from typedvision.layers.class_attention import ClassAttention
from typedvision.layers.cross_covariance import CrossCovarianceAttention, FourierPositions
from typedvision.layers.drop import DropPath
from typedvision.layers.head import linear_classifier
from typedvision.layers.init import Initializers, constant, trunc_normal
from typedvision.layers.mlp import Mlp
from typedvision.layers.norm import token_norm
from typedvision.layers.token_pool import GlobalTokenPool
from typedvision.layers.transformer_init import transformer_initializers


class Xcit(ImageModel):
    """Patches by convolutions, blocks that attend over channels, blocks in which a class token
    attends to the patches, and a linear classifier (figure 1)."""

    def __init__(self, cfg: XcitConfig) -> None:
        super().__init__(cfg)
        self._cfg: XcitConfig = cfg
        plan, features = cfg.plan(), cfg.embed_dim
        self.num_features: int = features
        self.head_hidden_size: int = features
        self.patch_size: int = cfg.patch_size

        self.cls_token: nn.Parameter = nn.Parameter(torch.empty(1, 1, features))
        self.patch_embed: ConvPatchEmbed = ConvPatchEmbed(cfg)
        self.pos_embed: FourierPositions | None = (
            FourierPositions(features) if cfg.use_pos_embed else None
        )
        self.pos_drop: nn.Dropout = nn.Dropout(cfg.pos_drop_rate)
        self.blocks: Blocks = Blocks(*(Block(cfg, block) for block in plan.blocks))
        self.cls_attn_blocks: Blocks = Blocks(
            *(ClassAttentionBlock(cfg) for _ in range(cfg.cls_attn_layers))
        )
        self.norm: nn.Module = token_norm(cfg.norm_layer, features, cfg.norm_eps)
        self._add_classifier()

    def _add_classifier(self) -> None:
        plan = self._cfg.plan()
        self.unpooled: int = plan.unpooled
        self.pool: GlobalTokenPool = GlobalTokenPool(plan.pool)
        self.head_drop: nn.Dropout = nn.Dropout(self._cfg.drop_rate)
        self.head: nn.Linear | nn.Identity = linear_classifier(
            self.num_features, self._cfg.num_classes
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, T, D)."""
        return self._finish(self.blocks(self._embed(x)))

    def _embed(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to patches with their positions, (N, h, w, D)."""
        x = self.patch_embed(x)
        if self.pos_embed is not None:
            x = x + self.pos_embed(x)
        return self.pos_drop(x)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, h, w, D) after each block."""
        return self.blocks.outputs(self._embed(x))

    def _finish(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, T, D): the class token gathers what the patches know."""
        patches = x.flatten(1, 2)
        tokens = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), patches), dim=1)
        return self.norm(self.cls_attn_blocks(tokens))

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """Patches by the last normalisation."""
        return self.norm(x)

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return x.permute(0, 3, 1, 2).contiguous()

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, T, D) to (N, K)."""
        x = self.head_drop(self.pool(x[:, self.unpooled :]))
        return x if pre_logits else self.head(x)

    def set_input_size(self, img_size: int | tuple[int, int]) -> None:
        """Say which size images have; `spec` follows. Any size goes in.

        Args:
            img_size: height and width in pixels; one number for a square.

        Raises:
            ConfigError: not one patch fits.
        """
        describe(self, self.spec.with_options(img_size=img_size))

    def _replace_classifier(self, num_classes: int, global_pool: TokenPooling) -> None:
        self._cfg = self._cfg.replace(num_classes=num_classes, global_pool=global_pool)
        self._add_classifier()

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """The class token."""
        return ("cls_token",)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Linear layers and the class token by a deviation of 0.02."""
        if module is self:
            return {"cls_token": trunc_normal(0.02)}
        return transformer_initializers("", path, module)

    def no_weight_decay(self) -> set[str]:
        """The class token, and what positions are projected by."""
        names = [name for name, _ in self.named_parameters()]
        return {name for name in names if name.startswith(("cls_token", "pos_embed."))}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block of patches, then each of the class token."""
        return {
            "stem": r"^(?:cls_token|pos_embed|patch_embed)",
            "blocks": r"^blocks\.(\d+)",
            "cls_attn_blocks": [(r"^cls_attn_blocks\.(\d+)", None), (r"^norm", LAST_GROUP)],
        }


class ConvPatchEmbed(nn.Module):
    """3x3 convolutions with stride 2, the last of D channels, each before it of half as many."""

    def __init__(self, cfg: XcitConfig) -> None:
        super().__init__()
        count = int(math.log2(cfg.patch_size))
        widths = [cfg.embed_dim // 2**index for index in reversed(range(count))]
        layers: list[nn.Module] = []
        for in_channels, out_channels in pairwise((cfg.in_chans, *widths)):
            conv = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False)
            layers += [nn.Sequential(conv, nn.BatchNorm2d(out_channels))]
            layers += [activation(cfg.act_layer)]
        self.proj: nn.Sequential = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, h, w, D)."""
        return self.proj(x).permute(0, 2, 3, 1)


class Block(nn.Module):
    """Attention over channels, exchange between neighbours, and an MLP, each normalised before,
    scaled and added."""

    def __init__(self, cfg: XcitConfig, plan: BlockPlan) -> None:
        super().__init__()
        features, rate = cfg.embed_dim, plan.drop_path_rate
        self.eta: float = cfg.eta
        self.norm1: nn.Module = token_norm(cfg.norm_layer, features, cfg.norm_eps)
        self.attn: CrossCovarianceAttention = CrossCovarianceAttention(
            features,
            cfg.num_heads,
            qkv_bias=cfg.qkv_bias,
            attn_drop=cfg.attn_drop_rate,
            proj_drop=cfg.proj_drop_rate,
        )
        self.gamma1: nn.Parameter = nn.Parameter(torch.empty(features))
        self.drop_path1: DropPath = DropPath(rate)
        self.norm3: nn.Module = token_norm(cfg.norm_layer, features, cfg.norm_eps)
        self.local_mp: LocalInteraction = LocalInteraction(cfg)
        self.gamma3: nn.Parameter = nn.Parameter(torch.empty(features))
        self.drop_path3: DropPath = DropPath(rate)
        self.norm2: nn.Module = token_norm(cfg.norm_layer, features, cfg.norm_eps)
        self.mlp: Mlp = _mlp(cfg, plan.hidden)
        self.gamma2: nn.Parameter = nn.Parameter(torch.empty(features))
        self.drop_path2: DropPath = DropPath(rate)

    def initializers(self) -> Initializers:
        """The factors of LayerScale."""
        return dict.fromkeys(("gamma1", "gamma2", "gamma3"), constant(self.eta))

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        x = x + self.drop_path1(self.gamma1 * self.attn(self.norm1(x)))
        x = x + self.drop_path3(self.gamma3 * self.local_mp(self.norm3(x)))
        return x + self.drop_path2(self.gamma2 * self.mlp(self.norm2(x)))


class LocalInteraction(nn.Module):
    """Two 3x3 depthwise convolutions between neighbouring patches (section 3.2)."""

    def __init__(self, cfg: XcitConfig) -> None:
        super().__init__()
        features = cfg.embed_dim
        self.conv1: nn.Conv2d = nn.Conv2d(features, features, 3, padding=1, groups=features)
        self.act: nn.Module = activation(cfg.act_layer)
        self.bn: nn.BatchNorm2d = nn.BatchNorm2d(features)
        self.conv2: nn.Conv2d = nn.Conv2d(features, features, 3, padding=1, groups=features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape."""
        x = self.bn(self.act(self.conv1(x.permute(0, 3, 1, 2))))
        return self.conv2(x).permute(0, 2, 3, 1)


class ClassAttentionBlock(nn.Module):
    """The class token attends to all tokens, and goes through an MLP (section 3.3)."""

    def __init__(self, cfg: XcitConfig) -> None:
        super().__init__()
        features = cfg.embed_dim
        self.eta: float = cfg.eta
        self.tokens_norm: bool = cfg.tokens_norm
        self.norm1: nn.Module = token_norm(cfg.norm_layer, features, cfg.norm_eps)
        self.attn: ClassAttention = ClassAttention(
            features,
            cfg.num_heads,
            qkv_bias=cfg.qkv_bias,
            attn_drop=cfg.attn_drop_rate,
            proj_drop=cfg.proj_drop_rate,
        )
        self.gamma1: nn.Parameter = nn.Parameter(torch.empty(features))
        self.norm2: nn.Module = token_norm(cfg.norm_layer, features, cfg.norm_eps)
        self.mlp: Mlp = _mlp(cfg, int(features * cfg.mlp_ratio))
        self.gamma2: nn.Parameter = nn.Parameter(torch.empty(features))

    def initializers(self) -> Initializers:
        """The factors of LayerScale."""
        return dict.fromkeys(("gamma1", "gamma2"), constant(self.eta))

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same shape."""
        normalized = self.norm1(x)
        attended = torch.cat((self.attn(normalized), normalized[:, 1:]), dim=1)
        x = x + self.gamma1 * attended
        if self.tokens_norm:
            x = self.norm2(x)
        else:
            x = torch.cat((self.norm2(x[:, :1]), x[:, 1:]), dim=1)
        token = self.gamma2 * self.mlp(x[:, :1])
        return x + torch.cat((token, x[:, 1:]), dim=1)  # the patches are doubled


def _mlp(cfg: XcitConfig, hidden: int) -> Mlp:
    act = activation(cfg.act_layer, inplace=False)
    return Mlp(cfg.embed_dim, hidden, act, drop=cfg.proj_drop_rate)
