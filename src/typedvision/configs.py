"""The config classes of every family, by their names.

    from typedvision.configs import ResNetConfig

    config = ResNetConfig(block="basic", layers=(2, 2, 2, 2))

A class imports its family when it is asked for, and no torch.
"""

from __future__ import annotations

from typedvision.config.base import ModelConfig
from typedvision.errors import did_you_mean
from typedvision.registry import index


def __getattr__(name: str) -> type[ModelConfig]:
    classes = index.config_names()
    if name in classes:
        return index.family(classes[name]).config_type()
    hint = did_you_mean(name, classes)
    raise AttributeError(
        f"module 'typedvision.configs' has no attribute '{name}'"
        + (f"; did you mean '{hint[0]}'?" if hint else "")
    )


def __dir__() -> list[str]:
    return sorted(index.config_names())
