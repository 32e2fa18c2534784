"""CaiT (https://arxiv.org/abs/2103.17239).

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, T = 1 + L tokens: the class
token and the patches, D features, A attention heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.token_model import TokenModel, norm_maker
from typedvision.config.tokens import BlockPlan
from typedvision.families.cait.config import CaitConfig
from typedvision.layers.activation import activation
from typedvision.layers.attention import merge_heads, split_heads
from typedvision.layers.blocks import Blocks
from typedvision.layers.class_attention import ClassAttention
from typedvision.layers.drop import DropPath
from typedvision.layers.init import Initializers, constant
from typedvision.layers.mlp import Mlp


class Cait(TokenModel):
    """Patches attend to one another, then the class token to them (figure 2, right)."""

    _cfg: CaitConfig  # pyright: ignore[reportIncompatibleVariableOverride] # its own

    cls_token: nn.Parameter  # pyright: ignore[reportIncompatibleVariableOverride] # there is one
    blocks_token_only: Blocks
    """The blocks of the class token."""

    def __init__(self, cfg: CaitConfig) -> None:
        plan = cfg.plan()
        super().__init__(cfg, plan)
        self.num_prefix_tokens = 0  # in the blocks of patches
        token_blocks = [TokenBlock(cfg, cfg.token_plan()) for _ in range(cfg.depth_token_only)]
        self._add_encoder(
            (Block(cfg, block) for block in plan.blocks), blocks_token_only=Blocks(*token_blocks)
        )

    def _prefix(self) -> tuple[nn.Parameter | None, ...]:
        """No token goes through the blocks of patches."""
        return ()

    def _finish(self, x: Tensor) -> Tensor:
        """(N, L, D) to (N, T, D): the class token gathers what the patches know."""
        token = self.blocks_token_only(self.cls_token.expand(x.shape[0], -1, -1), x)
        return self.norm(torch.cat((token, x), dim=1))

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """Patches by the last normalisation."""
        return self.norm(x)

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """The class token."""
        return ("cls_token",)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block; the last ones of patches with those of the class token
        that stand at the same distance from the end."""
        count = self._cfg.depth_token_only
        ahead = self._cfg.depth - count
        with_token = [
            (rf"^blocks_token_only\.{index}\.", (max(ahead + index, 0),)) for index in range(count)
        ]
        blocks = [(r"^blocks\.(\d+)", None), *with_token, (r"^norm", LAST_GROUP)]
        return super().group_matcher(coarse) | {"blocks": blocks}


class _ScaledBlock(nn.Module):
    """What both kinds of blocks hold around an attention: normalisations, an MLP and LayerScale.

    Args:
        cfg: the model's config.
        plan: the block's numbers.
        attn: the attention.
    """

    def __init__(self, cfg: CaitConfig, plan: BlockPlan, attn: nn.Module) -> None:
        super().__init__()
        norm, features = norm_maker(cfg), cfg.embed_dim
        self.init_values: float = cfg.init_values
        self.gamma_1: nn.Parameter = nn.Parameter(torch.empty(features))
        self.gamma_2: nn.Parameter = nn.Parameter(torch.empty(features))
        self.norm1: nn.Module = norm(features)
        self.attn = attn
        self.drop_path: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.Module = norm(features)
        act = activation(cfg.act_layer, inplace=False)
        self.mlp: Mlp = Mlp(features, plan.hidden, act, drop=cfg.proj_drop_rate)

    def initializers(self) -> Initializers:
        """One value for all factors of LayerScale."""
        return dict.fromkeys(("gamma_1", "gamma_2"), constant(self.init_values))


class Block(_ScaledBlock):
    """Attention between patches, then an MLP, each normalised before, scaled and added
    (equation 4)."""

    def __init__(self, cfg: CaitConfig, plan: BlockPlan) -> None:
        super().__init__(cfg, plan, TalkingHeadsAttention(cfg))

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, D) to the same shape."""
        x = x + self.drop_path(self.gamma_1 * self.attn(self.norm1(x)))
        return x + self.drop_path(self.gamma_2 * self.mlp(self.norm2(x)))


class TokenBlock(_ScaledBlock):
    """The class token attends to itself and the patches, then goes through an MLP (section 3)."""

    def __init__(self, cfg: CaitConfig, plan: BlockPlan) -> None:
        attention = ClassAttention(
            cfg.embed_dim,
            cfg.num_heads,
            qkv_bias=cfg.qkv_bias,
            attn_drop=cfg.attn_drop_rate,
            proj_drop=cfg.proj_drop_rate,
        )
        super().__init__(cfg, plan, attention)

    def forward(self, token: Tensor, patches: Tensor) -> Tensor:
        """The class token, (N, 1, D), to the same shape; the patches, (N, L, D), stay."""
        x = torch.cat((token, patches), dim=1)
        token = token + self.drop_path(self.gamma_1 * self.attn(self.norm1(x)))
        return token + self.drop_path(self.gamma_2 * self.mlp(self.norm2(token)))


class TalkingHeadsAttention(nn.Module):
    """Self-attention whose heads are mixed before and after the softmax
    (https://arxiv.org/abs/2003.02436)."""

    def __init__(self, cfg: CaitConfig) -> None:
        super().__init__()
        features, heads = cfg.embed_dim, cfg.num_heads
        self.num_heads: int = heads
        self.scale: float = (features // heads) ** -0.5
        self.qkv: nn.Linear = nn.Linear(features, 3 * features, bias=cfg.qkv_bias)
        self.attn_drop: nn.Dropout = nn.Dropout(cfg.attn_drop_rate)
        self.proj: nn.Linear = nn.Linear(features, features)
        self.proj_l: nn.Linear = nn.Linear(heads, heads)
        self.proj_w: nn.Linear = nn.Linear(heads, heads)
        self.proj_drop: nn.Dropout = nn.Dropout(cfg.proj_drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, D) to the same shape."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        logits = (q * self.scale) @ k.transpose(-2, -1)
        weights = self.proj_l(logits.movedim(1, -1)).softmax(dim=-2)  # (N, L, L, A)
        weights = self.attn_drop(self.proj_w(weights).movedim(-1, 1))
        return self.proj_drop(self.proj(merge_heads(weights @ v)))
