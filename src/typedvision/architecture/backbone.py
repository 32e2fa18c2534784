"""`Backbone`: the feature levels of a model, without what comes after the last of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.architecture.order import divide
from typedvision.config.features import FeatureLevels, FeatureSpec
from typedvision.registry.backbone import BackboneSpec

if TYPE_CHECKING:
    from typedvision.config.names import OutputFormat
    from typedvision.weights.plan import LoadReport

ModelT_co = TypeVar("ModelT_co", bound=ImageModel, covariant=True)


class Backbone(nn.Module, FeatureLevels, Generic[ModelT_co]):
    """Images in, feature levels out.

    Made by `create_backbone`. `model` is the model that was cut: its tensors have the checkpoint's
    keys, and without what was `left_out` it cannot classify any more.

    Args:
        model: a skeleton; it loses its layers past the last level.
        spec: which levels of it.
    """

    out_indices: tuple[int, ...]
    """The levels, as positions among `model.feature_info`."""
    output_fmt: OutputFormat
    """Layout of each level."""

    def __init__(self, model: ModelT_co, spec: BackboneSpec) -> None:
        super().__init__()
        self.out_indices, self.output_fmt = spec.out_indices, spec.output_fmt
        model.left_out = _cut(model, model.feature_info[max(self.out_indices)].name)
        self.model = model

    @property
    def left_out(self) -> tuple[str, ...]:
        """Paths of the model's layers past the last level, which are not there."""
        return self.model.left_out

    @property
    def levels(self) -> tuple[FeatureSpec, ...]:
        """What is known of each level, in the order in which they come out."""
        return tuple(self.model.feature_info[index] for index in self.out_indices)

    @property
    def spec(self) -> BackboneSpec:
        """The document that rebuilds this backbone; it follows the model's."""
        return BackboneSpec(
            model=self.model.spec, out_indices=self.out_indices, output_fmt=self.output_fmt
        )

    @property
    def load_report(self) -> LoadReport | None:
        """What became of each tensor when weights were loaded; None where none were."""
        return self.model.load_report

    def forward(self, x: Tensor) -> list[Tensor]:
        """The levels of images (N, C, H, W), in the order and the layout that were asked for."""
        found = self.model.forward_intermediates(
            x,
            self.out_indices,
            stop_early=True,
            output_fmt=self.output_fmt,
            intermediates_only=True,
        )
        assert isinstance(found, list)
        level = dict(zip(sorted(self.out_indices), found, strict=True))
        return [level[index] for index in self.out_indices]

    if TYPE_CHECKING:  # PyTorch's own returns Any

        def __call__(self, x: Tensor) -> list[Tensor]:
            """`forward`, with the hooks."""
            ...

    def freeze(self, until: str | int) -> None:
        """Keep the first layers as they are: `ImageModel.freeze` of `model`."""
        self.model.freeze(until)

    def unfreeze(self) -> None:
        """Train what was frozen."""
        self.model.unfreeze()

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute activations in the backward pass instead of keeping them."""
        self.model.set_grad_checkpointing(enable)


def _cut(model: nn.Module, last: str) -> tuple[str, ...]:
    """Take away what stands after the module at `last`; say what that was."""
    _, after = divide(model, last)
    for path in after:
        above, _, name = path.rpartition(".")
        delattr(model.get_submodule(above), name)
    return tuple(after)
