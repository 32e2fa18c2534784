"""`AveragedModel`, the abstract base of staged models whose logits may be the mean of two
classifiers."""

from __future__ import annotations

from abc import ABC
from typing import cast

from torch import Tensor, nn

from typedvision.architecture.staged_model import StagedModel
from typedvision.errors import UsageError
from typedvision.layers.averaged_classifier import AveragedClassifier
from typedvision.layers.head import linear_classifier
from typedvision.layers.pool import GlobalPool


class AveragedModel(StagedModel, ABC):
    """A staged model that ends in an average of positions and an `AveragedClassifier`, which one
    linear layer replaces in the inference form.

    Shapes: N images, C channels of H x W pixels, D channels of the last map, K classes.
    """

    head: AveragedClassifier | nn.Linear | nn.Identity
    """The classifier, or its inference form."""
    distillation: bool
    """Whether there are two classifiers."""
    fuses: bool
    """Whether this is the inference form."""
    distilled_training: bool = False
    """Whether the model returns the logits of both classifiers in training."""

    def set_distilled_training(self, enable: bool = True) -> None:
        """In training, let the model return the logits of both classifiers, as
        `forward_distilled` returns them, to have a loss each.

        Raises:
            UsageError: the model has one classifier.
        """
        self._check_distilled()
        self.distilled_training = enable

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K); in training after `set_distilled_training`, to two of these."""
        x = self.global_pool(x)
        if pre_logits:
            return x
        if self.distilled_training and self.training:
            # The one exception, which the caller asked for; `forward_distilled` has its type.
            return cast("Tensor", self._check_distilled().both(x))
        return self.head(x)

    def forward_distilled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) of both classifiers for images (N, C, H, W).

        Raises:
            UsageError: the model has one classifier.
        """
        return self._check_distilled().both(self.global_pool(self.forward_features(x)))

    def _check_distilled(self) -> AveragedClassifier:
        if isinstance(self.head, AveragedClassifier) and self.head.head_dist is not None:
            return self.head
        raise UsageError(
            "this model has one classifier: call the model itself, or build it with "
            "distillation=True, and without inference_mode=True"
        )

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self.global_pool: GlobalPool = GlobalPool("avg" if global_pool else "")
        if self.fuses:
            self.head = linear_classifier(self.num_features, num_classes)
        else:
            self.head = AveragedClassifier(
                self.num_features, num_classes, self.drop_rate, self.distillation
            )
