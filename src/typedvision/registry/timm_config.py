"""A spec in the form that timm's tools read."""

from __future__ import annotations

from typedvision.registry import index
from typedvision.registry.spec import ModelSpec


def timm_config(spec: ModelSpec) -> dict[str, object]:
    """What timm calls a `pretrained_cfg`: `input_size`, `mean`, `std`, `interpolation`,
    `crop_pct`, `crop_mode`, `num_classes`, and the paths of first convolution and classifier."""
    parts = index.family(spec.family).parts(spec.config)
    image = spec.image
    return {
        "architecture": spec.subject,
        "tag": spec.tag or "",
        "num_classes": spec.config.num_classes,
        "input_size": (spec.config.in_chans, *image.size),
        "fixed_input_size": spec.config.input_size() is not None,
        "interpolation": image.interpolation,
        "crop_pct": image.crop_pct,
        "crop_mode": image.crop_mode,
        "mean": image.mean,
        "std": image.std,
        "first_conv": _one_or_all(parts.first_conv),
        "classifier": _one_or_all(parts.classifier),
    }


def _one_or_all(paths: tuple[str, ...]) -> str | tuple[str, ...]:
    return paths[0] if len(paths) == 1 else paths
