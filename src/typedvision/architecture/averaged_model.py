"""`AveragedModel`, the abstract base of staged models whose logits may be the mean of two
classifiers."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar, cast

from torch import Tensor, nn

from typedvision.architecture.distilled_model import DistilledModel
from typedvision.architecture.staged_model import StagedModel
from typedvision.layers.averaged_classifier import AveragedClassifier
from typedvision.layers.head import linear_classifier
from typedvision.layers.pool import GlobalPool


class AveragedModel(DistilledModel, StagedModel, ABC):
    """A staged model that ends in an average of positions and an `AveragedClassifier`, which one
    linear layer replaces in the inference form.

    Shapes: N images, C channels of H x W pixels, D channels of the last map, K classes.
    """

    distilled_by: ClassVar[str] = "distillation=True, and without inference_mode=True"
    head: AveragedClassifier | nn.Linear | nn.Identity
    """The classifier, or its inference form."""
    distillation: bool
    """Whether there are two classifiers."""
    fuses: bool
    """Whether this is the inference form."""

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K); in training after `set_distilled_training`, to two of these."""
        if self.distilled_training and self.training and not pre_logits:
            return self._distilled_logits(x)
        x = self.global_pool(x)
        return x if pre_logits else self.head(x)

    def _is_distilled(self) -> bool:
        return isinstance(self.head, AveragedClassifier) and self.head.head_dist is not None

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return cast("AveragedClassifier", self.head).both(self.global_pool(x))

    def _replace_classifier(self, num_classes: int, global_pool: str) -> None:
        self.global_pool: GlobalPool = GlobalPool("avg" if global_pool else "")
        if self.fuses:
            self.head = linear_classifier(self.num_features, num_classes)
        else:
            self.head = AveragedClassifier(
                self.num_features, num_classes, self.drop_rate, self.distillation
            )
