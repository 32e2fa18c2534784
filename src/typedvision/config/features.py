"""What a model says about its feature levels, without being built."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature level: a map of `channels` channels at 1/`stride` of the input's resolution."""

    channels: int
    """Number of channels of the map."""
    stride: int
    """Input pixels for each step of the map."""
    name: str
    """Path of the module that gives the map, as in `model.get_submodule(name)`."""
