"""`JoinedModel`, the abstract base of models whose last features are made of several levels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from typedvision.architecture.image_model import ImageModel, chosen_levels
from typedvision.config.names import OutputFormat


class JoinedModel(ImageModel, ABC):
    """A model whose `_joined` makes the last features of the outputs of all levels.

    Shapes: N images, C channels, H x W pixels.
    """

    joins: bool = True
    """Whether that takes more levels than the last."""

    @abstractmethod
    def _joined(self, levels: Sequence[Tensor]) -> Tensor:
        """The last features, made of the outputs of all levels."""

    def forward_features(self, x: Tensor) -> Tensor:
        """The last features of images (N, C, H, W)."""
        return self._joined(list(self._levels(x)))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        *,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: OutputFormat = "NCHW",
        intermediates_only: bool = False,
    ) -> tuple[Tensor, list[Tensor]] | list[Tensor]:
        """The final features of images, and the outputs of some levels: see `ImageModel`.

        Final features that are made of several levels are computed on their own.
        """
        outputs = super().forward_intermediates(
            x,
            indices,
            norm=norm,
            stop_early=stop_early,
            output_fmt=output_fmt,
            intermediates_only=intermediates_only,
        )
        levels = len(self.feature_info)
        stopped = stop_early and levels - 1 not in chosen_levels(indices, levels)
        if stopped or isinstance(outputs, list) or not self.joins:
            return outputs
        return self.forward_features(x), outputs[1]
