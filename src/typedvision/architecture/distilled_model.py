"""`DistilledModel`, the abstract base of models that may have a second classifier, and
`DistilledStagedModel`, that of staged ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, cast

from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.errors import UsageError


class DistilledModel(ImageModel, ABC):
    """A model that may have a second classifier, which learns from another model
    (https://arxiv.org/abs/2012.12877, section 4); the logits are the mean of both.

    Shapes: N images, C channels of H x W pixels, K classes.
    """

    distilled_by: ClassVar[str] = "distilled=True"
    """The options that build the model with two classifiers."""
    distilled_training: bool = False
    """Whether, in training mode, the model returns the logits of both classifiers, and not their
    mean."""

    def set_distilled_training(self, enable: bool = True) -> None:
        """Whether, in training mode, the model returns the logits of both classifiers, a pair as
        `forward_distilled` returns it, to have a loss each. In evaluation mode it returns their
        mean.

        Raises:
            UsageError: the model has one classifier.
        """
        self._check_distilled()
        self.distilled_training = enable

    def forward_distilled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) of both classifiers for images (N, C, H, W).

        Raises:
            UsageError: the model has one classifier.
        """
        self._check_distilled()
        return self._both(self.forward_features(x))

    def _check_distilled(self) -> None:
        if not self._is_distilled():
            raise UsageError(
                "this model has one classifier: call the model itself, or build it with "
                f"{self.distilled_by}"
            )

    @abstractmethod
    def _is_distilled(self) -> bool:
        """Whether there are two classifiers."""

    @abstractmethod
    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward_features` gives to (N, K) of each of two classifiers."""

    def _distilled_logits(self, x: Tensor) -> Tensor:
        """What `forward_features` gives to (N, K); in training after `set_distilled_training`, to
        two of these."""
        first, second = self._both(x)
        if self.distilled_training and self.training:
            # The one exception, which the caller asked for; `forward_distilled` has its type.
            return cast("Tensor", (first, second))
        return (first + second) / 2


class DistilledStagedModel(DistilledModel, StagedModel, ABC):
    """A staged model with one or two classifiers of the mean of all positions.

    Shapes: N images, D features of T tokens or H x W positions, K classes.
    """

    head: nn.Module
    """The classifier."""
    head_dist: nn.Module | None
    """The second one; None for one classifier."""

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) or (N, T, D) to (N, K); in training after `set_distilled_training`, to two
        of these."""
        if pre_logits:
            return self._pool(x)
        return self._distilled_logits(x) if self._is_distilled() else self.head(self._pool(x))

    def _is_distilled(self) -> bool:
        return self.head_dist is not None

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self._pool(x)
        return self.head(x), cast("nn.Module", self.head_dist)(x)

    @abstractmethod
    def _pool(self, x: Tensor) -> Tensor:
        """(N, D, H, W) or (N, T, D) to what the classifiers see, (N, D); to as many positions
        where nothing is pooled."""
