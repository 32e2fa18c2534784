"""What a model says about its feature levels, without being built."""

from __future__ import annotations

from abc import ABC, abstractmethod
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


class FeatureLevels(ABC):
    """What gives feature levels, in an order of its own."""

    @property
    @abstractmethod
    def levels(self) -> tuple[FeatureSpec, ...]:
        """What is known of each level, in the order in which they come out."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Number of channels of each level."""
        return tuple(level.channels for level in self.levels)

    @property
    def strides(self) -> tuple[int, ...]:
        """Input pixels for each step of each level."""
        return tuple(level.stride for level in self.levels)

    @property
    def names(self) -> tuple[str, ...]:
        """Path of the module that gives each level."""
        return tuple(level.name for level in self.levels)
