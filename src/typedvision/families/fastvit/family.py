"""The FastViT family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.fastvit.config import FastVitConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.fastvit.model import FastVit


_ATTENTION = FastVitConfig(
    pos_embs=(None, None, None, 7),
    token_mixers=("repmixer", "repmixer", "repmixer", "attention"),
)
_MOBILECLIP = FastVitConfig(
    pos_embs=(None, None, None, 7),
    token_mixers=("repmixer", "repmixer", "repmixer", "attention"),
    num_classes=512,
    mlp_ratios=(3, 3, 3, 3),
    se_downsamples=(False, False, True, True),
    lkc_use_act=True,
)
_MOBILECLIP2 = FastVitConfig(
    num_classes=768,
    layers=(2, 12, 24, 4, 2),
    embed_dims=(96, 192, 384, 768, 1536),
    mlp_ratios=(4, 4, 4, 4, 4),
    downsamples=(False, True, True, True, True),
    se_downsamples=(False, False, False, False, False),
    pos_embs=(None, None, None, 7, 7),
    token_mixers=("repmixer", "repmixer", "repmixer", "attention", "attention"),
    lkc_use_act=True,
    stem_use_scale_branch=False,
    norm_layer="layernorm2d",
    norm_eps=1e-5,
)


class FastVitFamily(ModelFamily[FastVitConfig, "FastVit"]):
    """FastViT, and the image towers of MobileCLIP."""

    key = "fastvit"
    title = "FastViT"
    paper = "https://arxiv.org/abs/2303.14189"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: FastVitConfig) -> FastVit:
        """The model, not initialised."""
        from typedvision.families.fastvit.model import FastVit

        return FastVit(cfg)

    @classmethod
    def parts(cls, cfg: FastVitConfig) -> Parts:
        """The convolutions of the stem's first block, and the classifier."""
        first: tuple[str, ...] = ("stem.0.reparam_conv",)
        if not cfg.inference_mode:
            scale = ("stem.0.conv_scale.conv",) if cfg.stem_use_scale_branch else ()
            first = ("stem.0.conv_kxk.0.conv", *scale)
        return Parts(first_conv=first, classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "fastvit_ma36": _ATTENTION.replace(layers=(6, 6, 18, 6), embed_dims=(76, 152, 304, 608)),
        "fastvit_mci0": _MOBILECLIP.replace(layers=(2, 6, 10, 2)),
        "fastvit_mci1": _MOBILECLIP.replace(layers=(4, 12, 20, 4)),
        "fastvit_mci2": _MOBILECLIP.replace(layers=(4, 12, 24, 4), embed_dims=(80, 160, 320, 640)),
        "fastvit_mci3": _MOBILECLIP2,
        "fastvit_mci4": _MOBILECLIP2.replace(
            layers=(2, 12, 24, 4, 4), embed_dims=(128, 256, 512, 1024, 2048)
        ),
        "fastvit_s12": FastVitConfig(),
        "fastvit_sa12": _ATTENTION,
        "fastvit_sa24": _ATTENTION.replace(layers=(4, 4, 12, 4)),
        "fastvit_sa36": _ATTENTION.replace(layers=(6, 6, 18, 6)),
        "fastvit_t12": FastVitConfig(mlp_ratios=(3, 3, 3, 3)),
        "fastvit_t8": FastVitConfig(
            layers=(2, 2, 4, 2), embed_dims=(48, 96, 192, 384), mlp_ratios=(3, 3, 3, 3)
        ),
    }
