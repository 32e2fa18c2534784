"""The family of normalizer-free networks: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.nfnet.config import AttentionArgs, NormFreeNetConfig
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.nfnet.model import NormFreeNet

_DM_NFNET = NormFreeNetConfig(
    depths=(1, 2, 6, 3),
    stem_type="deep_quad",
    stem_chs=128,
    group_size=128,
    attn_layer="se",
    attn_kwargs=AttentionArgs(rd_ratio=0.5),
    num_features=3072,
    extra_conv=True,
    gamma_in_act=True,
    same_padding=True,
    skipinit=True,
    act_layer="gelu",
)
_ECA_NFNET = NormFreeNetConfig(
    depths=(1, 2, 6, 3),
    stem_type="deep_quad",
    stem_chs=128,
    group_size=64,
    attn_layer="eca",
    bottle_ratio=0.25,
    num_features=2304,
    extra_conv=True,
)
_NF_ECA_RESNET = NormFreeNetConfig(
    depths=(2, 2, 2, 2),
    channels=(256, 512, 1024, 2048),
    stem_type="7x7_pool",
    stem_chs=64,
    attn_layer="eca",
    bottle_ratio=0.25,
    act_layer="relu",
)
_NF_REGNET = NormFreeNetConfig(
    depths=(1, 3, 6, 6),
    channels=(48, 104, 208, 440),
    group_size=8,
    attn_layer="se",
    attn_kwargs=AttentionArgs(rd_ratio=0.5),
    width_factor=0.75,
    bottle_ratio=2.25,
    num_features=1280,
    reg=True,
)
_NF_RESNET = NormFreeNetConfig(
    depths=(2, 2, 2, 2),
    channels=(256, 512, 1024, 2048),
    stem_type="7x7_pool",
    stem_chs=64,
    bottle_ratio=0.25,
    act_layer="relu",
)
_NF_SE_RESNET = NormFreeNetConfig(
    depths=(2, 2, 2, 2),
    channels=(256, 512, 1024, 2048),
    stem_type="7x7_pool",
    stem_chs=64,
    attn_layer="se",
    attn_kwargs=AttentionArgs(rd_ratio=0.0625),
    bottle_ratio=0.25,
    act_layer="relu",
)
_NFNET = NormFreeNetConfig(
    depths=(1, 2, 6, 3),
    stem_type="deep_quad",
    stem_chs=128,
    group_size=128,
    attn_layer="se",
    attn_kwargs=AttentionArgs(rd_ratio=0.5),
    num_features=3072,
    extra_conv=True,
    act_layer="gelu",
)


class NormFreeNetFamily(ModelFamily[NormFreeNetConfig, "NormFreeNet"]):
    """NFNet, NF-ResNet and NF-RegNet."""

    key = "nfnet"
    title = "NFNet"
    paper = "https://arxiv.org/abs/2102.06171"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: NormFreeNetConfig) -> NormFreeNet:
        """The model, not initialised."""
        from typedvision.families.nfnet.model import NormFreeNet

        return NormFreeNet(cfg)

    @classmethod
    def parts(cls, cfg: NormFreeNetConfig) -> Parts:
        """The stem's first convolution, and the classifier."""
        return Parts(first_conv=(f"stem.{cfg.plan().stem[0].name}",), classifier=("head.fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "dm_nfnet_f0": _DM_NFNET,
        "dm_nfnet_f1": _DM_NFNET.replace(depths=(2, 4, 12, 6)),
        "dm_nfnet_f2": _DM_NFNET.replace(depths=(3, 6, 18, 9)),
        "dm_nfnet_f3": _DM_NFNET.replace(depths=(4, 8, 24, 12)),
        "dm_nfnet_f4": _DM_NFNET.replace(depths=(5, 10, 30, 15)),
        "dm_nfnet_f5": _DM_NFNET.replace(depths=(6, 12, 36, 18)),
        "dm_nfnet_f6": _DM_NFNET.replace(depths=(7, 14, 42, 21)),
        "eca_nfnet_l0": _ECA_NFNET,
        "eca_nfnet_l1": _ECA_NFNET.replace(depths=(2, 4, 12, 6), num_features=3072),
        "eca_nfnet_l2": _ECA_NFNET.replace(depths=(3, 6, 18, 9), num_features=3072),
        "eca_nfnet_l3": _ECA_NFNET.replace(depths=(4, 8, 24, 12), num_features=3072),
        "nf_ecaresnet101": _NF_ECA_RESNET.replace(depths=(3, 4, 23, 3)),
        "nf_ecaresnet26": _NF_ECA_RESNET,
        "nf_ecaresnet50": _NF_ECA_RESNET.replace(depths=(3, 4, 6, 3)),
        "nf_regnet_b0": _NF_REGNET,
        "nf_regnet_b1": _NF_REGNET.replace(depths=(2, 4, 7, 7)),
        "nf_regnet_b2": _NF_REGNET.replace(
            depths=(2, 4, 8, 8), channels=(56, 112, 232, 488), num_features=1419
        ),
        "nf_regnet_b3": _NF_REGNET.replace(
            depths=(2, 5, 9, 9), channels=(56, 128, 248, 528), num_features=1536
        ),
        "nf_regnet_b4": _NF_REGNET.replace(
            depths=(2, 6, 11, 11), channels=(64, 144, 288, 616), num_features=1792
        ),
        "nf_regnet_b5": _NF_REGNET.replace(
            depths=(3, 7, 14, 14), channels=(80, 168, 336, 704), num_features=2048
        ),
        "nf_resnet101": _NF_RESNET.replace(depths=(3, 4, 23, 3)),
        "nf_resnet26": _NF_RESNET,
        "nf_resnet50": _NF_RESNET.replace(depths=(3, 4, 6, 3)),
        "nf_seresnet101": _NF_SE_RESNET.replace(depths=(3, 4, 23, 3)),
        "nf_seresnet26": _NF_SE_RESNET,
        "nf_seresnet50": _NF_SE_RESNET.replace(depths=(3, 4, 6, 3)),
        "nfnet_f0": _NFNET,
        "nfnet_f1": _NFNET.replace(depths=(2, 4, 12, 6)),
        "nfnet_f2": _NFNET.replace(depths=(3, 6, 18, 9)),
        "nfnet_f3": _NFNET.replace(depths=(4, 8, 24, 12)),
        "nfnet_f4": _NFNET.replace(depths=(5, 10, 30, 15)),
        "nfnet_f5": _NFNET.replace(depths=(6, 12, 36, 18)),
        "nfnet_f6": _NFNET.replace(depths=(7, 14, 42, 21)),
        "nfnet_f7": _NFNET.replace(depths=(8, 16, 48, 24)),
        "nfnet_l0": NormFreeNetConfig(
            depths=(1, 2, 6, 3),
            stem_type="deep_quad",
            stem_chs=128,
            group_size=64,
            attn_layer="se",
            attn_kwargs=AttentionArgs(rd_ratio=0.25),
            bottle_ratio=0.25,
            num_features=2304,
            extra_conv=True,
        ),
        "test_nfnet": NormFreeNetConfig(
            depths=(1, 1, 1, 1),
            channels=(32, 64, 96, 128),
            stem_type="deep_quad",
            stem_chs=128,
            group_size=8,
            attn_layer="se",
            attn_kwargs=AttentionArgs(rd_ratio=0.25),
            bottle_ratio=0.25,
            num_features=192,
            extra_conv=True,
        ),
    }
