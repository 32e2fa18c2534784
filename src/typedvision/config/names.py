"""The vocabularies: names of layers that a config can choose from.

Each name is the one that timm uses. What a name means stands in `typedvision.layers`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

_SYNONYMS = {
    "swish": "silu",
    "fast": "avg",
    "fastavg": "avg",
    "fastmax": "max",
    "fastavgmax": "avgmax",
    "fastcatavgmax": "catavgmax",
    "skip": "reset",
}


def _one_name(name: str) -> str:
    return _SYNONYMS.get(name, name)


ActivationName = Literal[
    "celu",
    "elu",
    "gelu",
    "gelu_tanh",
    "hard_mish",
    "hard_sigmoid",
    "hard_swish",
    "leaky_relu",
    "mish",
    "prelu",
    "quick_gelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "swish",
    "tanh",
]
Activation = Annotated[ActivationName, AfterValidator(_one_name)]
"""A pointwise activation; `swish` is stored as `silu`."""

ConvNorm = Literal[
    "batchnorm2d",
    "groupnorm",
    "groupnorm1",
    "layernorm2d",
    "rmsnorm2d",
    "simplenorm2d",
]
"""A normalisation of feature maps, shape (N, C, H, W)."""

TokenAttention = Literal["attn", "diff"]
"""Attention of tokens to each other: the usual one, or the difference of two
(https://arxiv.org/abs/2410.05258)."""

TokenNorm = Literal["layernorm", "rmsnorm"]
"""A normalisation of tokens, shape (N, T, D)."""

ConvPoolName = Literal[
    "",
    "avg",
    "max",
    "avgmax",
    "catavgmax",
    "fast",
    "fastavg",
    "fastmax",
    "fastavgmax",
    "fastcatavgmax",
]
ConvPool = Annotated[ConvPoolName, AfterValidator(_one_name)]
"""How a feature map becomes a vector; `""` (nothing) leaves the map as it is. The names with `fast`
mean the same as those without, and are stored as these; `fast` alone is `avg`."""

TokenPool = Literal["", "token", "avg", "max", "avgmax"]
"""How tokens become a vector: the first one (the class token), or the mean, maximum or both of
all; `""` (nothing) leaves the tokens as they are."""

Resampling = Literal["bicubic", "bilinear"]
"""How what was learned for one size is brought to another: bicubic with antialiasing, or bilinear
without."""

WeightInitName = Literal["", "jax", "jax_nlhb", "moco", "reset", "skip"]
WeightInit = Annotated[WeightInitName, AfterValidator(_one_name)]
"""Initial weights of a transformer's linear layers; `""` is a normal distribution; `skip` is stored
as `reset`."""

AntiAlias = Literal["avg", "blur", "blurpc"]
"""A low-pass filter before a map is subsampled: an average, or a binomial blur
(`blurpc` is the blur with a constant padding; https://arxiv.org/abs/1904.11486)."""

ChannelAttention = Literal["se", "ese", "eca", "ecam", "ceca", "gc", "gca", "cbam", "lcbam"]
"""An attention over the channels of a feature map."""

MapAttention = Literal[ChannelAttention, "sk", "splat", "nl", "bat", "lambda", "halo"]
"""An attention over a feature map: over its channels, over branches (`sk`, `splat`), or over its
positions (`nl`, `bat`, `lambda`, `halo`)."""

PadType = Literal["", "same", "valid"]
"""Padding of convolutions: symmetric by the kernel size, TensorFlow's `same`, or none."""

ConvNormAct = Literal[
    "batchnorm2d", "evonorms0", "groupnorm", "groupnorm1", "layernorm2d", "rmsnorm2d"
]
"""A normalisation of feature maps that ends in an activation; `evonorms0` is both in one."""

OutputFormat = Literal["NCHW", "NHWC", "NLC"]
"""Layout of a feature level: a map (N, C, H, W) or (N, H, W, C), or tokens (N, L, C)."""

EngineName = Literal["eager", "inductor", "onnxruntime", "openvino"]
"""What runs a model: PyTorch layer by layer, PyTorch's compiler, ONNX Runtime or OpenVINO."""
