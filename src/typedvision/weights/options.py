"""`LoadOptions`: where the weights of a model come from, and where they go; imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

from typedvision.config.limits import Limits
from typedvision.errors import ConfigError, SpecError, UnknownNameError, UsageError, shown
from typedvision.registry import index
from typedvision.registry.spec import ModelSpec, explained, spec_for
from typedvision.weights.fetch import HUB_SCHEME, HubFile, fetch
from typedvision.weights.inspect import Checkpoint, inspect
from typedvision.weights.resolve import from_hub, published_file, tagged

if TYPE_CHECKING:
    import torch

    from typedvision.architecture.image_model import ImageModel

_PATH = (str, PathLike, type(None))
_TAKEN = (
    ("pretrained", bool | str, "a bool, or the tag of published weights"),
    ("checkpoint_path", _PATH, "a path"),
    ("seed", int | None, "an integer"),
    ("limits", Limits, "Limits(params=...)"),
    ("offline", bool, "a bool"),
    ("cache_dir", _PATH, "a path"),
)
"""The keywords that can be checked before torch is imported."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What a caller wants beside the model: where its weights come from, and where they go."""

    pretrained: bool | str
    checkpoint_path: str | PathLike[str] | None
    device: torch.device | str | None
    dtype: torch.dtype | None
    seed: int | None
    limits: Limits
    offline: bool
    cache_dir: str | PathLike[str] | None

    def __post_init__(self) -> None:
        for name, wanted, what in _TAKEN:
            value = getattr(self, name)
            if not isinstance(value, wanted) or (name == "seed" and isinstance(value, bool)):
                raise UsageError(f"{name} must be {what}; got {shown(value)}")
        if self.dtype is not None and "torch" not in sys.modules:  # so it cannot be of PyTorch
            raise UsageError(
                f"dtype must be a floating-point type of PyTorch; got {shown(self.dtype)}"
            )
        if self.pretrained and self.checkpoint_path is not None:
            raise UsageError("give either pretrained or checkpoint_path: both name weights")

    def read(
        self, model: object, options: Mapping[str, object], keywords: Iterable[str]
    ) -> tuple[ModelSpec, HubFile | Checkpoint | None]:
        """The spec of the model, and the weights that are wanted: published, or in a file.

        Args:
            model: a name, a config or a spec.
            options: other values for the fields of the config.
            keywords: what the call takes beside the options; errors suggest them.
        """
        try:
            return self._read(model, options)
        except SpecError:
            raise
        except ConfigError as error:
            raise explained(error, keywords) from None

    def _read(
        self, model: object, options: Mapping[str, object]
    ) -> tuple[ModelSpec, HubFile | Checkpoint | None]:
        if isinstance(self.pretrained, str):
            model = tagged(model, self.pretrained)
        if isinstance(model, str) and model.startswith("hf_hub:"):
            raise UnknownNameError.of("model", model, [model.replace("_", "-", 1)])
        if isinstance(model, str) and model.startswith(HUB_SCHEME):
            spec, published = from_hub(model, offline=self.offline, cache_dir=self.cache_dir)
            spec = spec.with_options(**options)
        else:
            spec, published = spec_for(model, options), None
        if self.checkpoint_path is not None:
            return spec, inspect(self.checkpoint_path)
        return spec, (published or published_file(spec)) if self.pretrained else None

    def fill(self, model: ImageModel, weights: HubFile | Checkpoint | None) -> None:
        """Give a meta-device model its weights."""
        import torch

        from typedvision.architecture.build import check_dtype, materialize, resolve_device
        from typedvision.weights.load import fill

        place = resolve_device(self.device)
        check_dtype(self.dtype)
        if weights is None:
            materialize(model, place, self.dtype, self.seed)
            return
        if isinstance(weights, HubFile):
            weights = inspect(fetch(weights, offline=self.offline, cache_dir=self.cache_dir))
        family = index.family(model.spec.family)
        fill(
            model,
            weights,
            family.parts(model.spec.config),
            device=place,
            dtype=self.dtype or torch.get_default_dtype(),
            seed=self.seed,
        )
