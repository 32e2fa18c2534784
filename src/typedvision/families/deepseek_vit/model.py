"""DeepSeek's image encoder.

Shapes: N images, C channels, H x W pixels, h x w patches, L = h w, D features, d features of each
head, s x s patches that become one of M tokens, F features of each, K classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from typedvision.architecture.encoder_model import EncoderClassifier, EncoderModel
from typedvision.config.tokens import BlockPlan
from typedvision.families.deepseek_vit.config import DeepseekVitConfig
from typedvision.layers.drop import DropPath
from typedvision.layers.merge_patches import merge_patches
from typedvision.layers.mlp import GluMlp
from typedvision.layers.patch_embed import PatchEmbed
from typedvision.layers.rotary import AxialRotaryEmbedding
from typedvision.layers.rotary_attention import RotaryMapAttention


class DeepseekVitClassifier(EncoderClassifier):
    """The encoder, and a classifier of the mean of what it gives."""

    def __init__(self, cfg: DeepseekVitConfig) -> None:
        norm = nn.RMSNorm(cfg.out_channels, eps=cfg.norm_eps, elementwise_affine=False)
        super().__init__(cfg, DeepseekVitEncoder(cfg), norm)


class DeepseekVitEncoder(EncoderModel):
    """Patches with rotary positions, blocks that attend to them, a normalisation and a projector.

    Images (N, C, H, W) become tokens for the language model, (N, M, F), row by row; each is made of
    s x s patches, with zeros where these reach over the edge.
    """

    def __init__(self, cfg: DeepseekVitConfig) -> None:
        patch = cfg.patch_size, cfg.patch_size
        super().__init__(
            cfg,
            PatchEmbed(cfg.in_chans, cfg.embed_dim, patch, pad=cfg.dynamic_img_pad),
            AxialRotaryEmbedding(cfg.embed_dim // cfg.num_heads, cfg.rope_temperature),
        )
        blocks = (Block(cfg, plan) for plan in cfg.plan())
        aligner = {"aligner": PatchAligner(cfg)} if cfg.projects else {}
        self._add_encoder(blocks, _norm(cfg), **aligner)


DeepseekVit = DeepseekVitClassifier | DeepseekVitEncoder
"""DeepSeek's encoder alone, or a classifier around it."""


class Block(nn.Module):
    """Attention, then a gated MLP, each normalised before and added."""

    def __init__(self, cfg: DeepseekVitConfig, plan: BlockPlan) -> None:
        super().__init__()
        features, drop = cfg.embed_dim, cfg.proj_drop_rate
        self.norm1: nn.RMSNorm = _norm(cfg)
        self.attn: RotaryMapAttention = RotaryMapAttention(
            features, cfg.num_heads, attn_drop=cfg.attn_drop_rate, proj_drop=drop
        )
        self.drop_path1: DropPath = DropPath(plan.drop_path_rate)
        self.norm2: nn.RMSNorm = _norm(cfg)
        self.mlp: GluMlp = GluMlp(
            features, 2 * plan.hidden, nn.SiLU(), gate_last=False, bias=False, drop=drop
        )
        self.drop_path2: DropPath = DropPath(plan.drop_path_rate)

    def forward(self, x: Tensor, rope: Tensor) -> Tensor:
        """(N, h, w, D) to the same shape, with the patches' rotary embedding, (2, L, d / 2)."""
        x = x + self.drop_path1(self.attn(self.norm1(x), rope))
        return x + self.drop_path2(self.mlp(self.norm2(x)))


class PatchAligner(nn.Module):
    """Makes one token of each square of patches, by an MLP."""

    def __init__(self, cfg: DeepseekVitConfig) -> None:
        super().__init__()
        self.side: int = cfg.downsample_ratio
        self.fc1: nn.Linear = nn.Linear(cfg.embed_dim * self.side**2, cfg.out_features)
        self.act: nn.GELU = nn.GELU()
        self.fc2: nn.Linear = nn.Linear(cfg.out_features, cfg.out_features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, D) to (N, M, F)."""
        return self.fc2(self.act(self.fc1(merge_patches(x, self.side, channels_first=True))))


def _norm(cfg: DeepseekVitConfig) -> nn.RMSNorm:
    return nn.RMSNorm(cfg.embed_dim, eps=cfg.norm_eps)
