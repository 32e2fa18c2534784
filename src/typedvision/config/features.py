"""What a model says about its feature levels, without being built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import overload


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature level: a map of `channels` channels at 1/`stride` of the input's resolution."""

    channels: int
    """Number of channels of the map."""
    stride: int
    """Input pixels for each step of the map."""
    name: str
    """Path of the module that gives the map, as in `model.get_submodule(name)`."""
    margin: int = 0
    """Input pixels, in height and in width, that unpadded convolutions use up: they leave
    (side - margin) // stride positions of a side."""

    def __getitem__(self, key: str) -> int | str:
        """What timm's dictionary of a level has at `num_chs`, `reduction` or `module`."""
        return getattr(self, _TIMM_KEYS[key])  # type: ignore[no-any-return]

    def __contains__(self, key: object) -> bool:
        """Whether timm's dictionary has the key."""
        return key in _TIMM_KEYS


_TIMM_KEYS = {"num_chs": "channels", "reduction": "stride", "module": "name"}
"""Our attribute for each key of timm's dictionaries of feature levels."""


def halving_levels(
    channels: Iterable[int], first: int = 4, path: str = "stages"
) -> tuple[FeatureSpec, ...]:
    """The level of each of a row of stages, which halve the resolution from one to the next.

    Args:
        channels: channels of each map.
        first: input pixels for each step of the first map.
        path: the module whose children the stages are.
    """
    return tuple(
        FeatureSpec(count, first * 2**index, f"{path}.{index}")
        for index, count in enumerate(channels)
    )


class FeatureInfo(tuple[FeatureSpec, ...]):
    """The feature levels of a model; it answers what timm's `FeatureInfo` answers, too."""

    __slots__ = ()

    @overload
    def channels(self, idx: int) -> int: ...
    @overload
    def channels(self, idx: None = None) -> list[int]: ...
    def channels(self, idx: int | None = None) -> int | list[int]:
        """Channels of each level, or of the one at `idx`."""
        return [level.channels for level in self] if idx is None else self[idx].channels

    @overload
    def reduction(self, idx: int) -> int: ...
    @overload
    def reduction(self, idx: None = None) -> list[int]: ...
    def reduction(self, idx: int | None = None) -> int | list[int]:
        """Input pixels for each step of each level, or of the one at `idx`."""
        return [level.stride for level in self] if idx is None else self[idx].stride

    @overload
    def module_name(self, idx: int) -> str: ...
    @overload
    def module_name(self, idx: None = None) -> list[str]: ...
    def module_name(self, idx: int | None = None) -> str | list[str]:
        """Path of the module of each level, or of the one at `idx`."""
        return [level.name for level in self] if idx is None else self[idx].name

    def get_dicts(self) -> list[dict[str, int | str]]:
        """Each level as timm's dictionary."""
        return [{key: level[key] for key in _TIMM_KEYS} for level in self]


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
