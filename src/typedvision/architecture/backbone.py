"""`Backbone`: the feature levels of a model, without the layers past the last of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from torch import Tensor, nn

from typedvision.architecture.image_model import ImageModel
from typedvision.architecture.order import cut
from typedvision.config.features import FeatureInfo, FeatureLevels, FeatureSpec
from typedvision.registry.backbone import BackboneSpec

if TYPE_CHECKING:
    from typedvision.config.names import OutputFormat
    from typedvision.weights.plan import LoadReport

ModelT_co = TypeVar("ModelT_co", bound=ImageModel, covariant=True)


class Backbone(nn.Module, FeatureLevels, Generic[ModelT_co]):
    """A model that takes images and returns feature levels.

    `create_backbone` makes it. `model` is the model without the layers past the last level: its
    tensors have the checkpoint's keys, and it cannot classify any more.

    Args:
        model: a meta-device model; its layers past the last level are removed.
        spec: the levels, and their layout.
    """

    out_indices: tuple[int, ...]
    """The levels, as indices into `model.feature_info`."""
    output_fmt: OutputFormat
    """Layout of each level."""

    def __init__(self, model: ModelT_co, spec: BackboneSpec) -> None:
        super().__init__()
        self.out_indices, self.output_fmt = spec.out_indices, spec.output_fmt
        last = model.feature_info[max(self.out_indices)].name
        model.left_out = cut(model, model.divided(last)[1])
        self.model = model

    @property
    def left_out(self) -> tuple[str, ...]:
        """Paths of the model's layers past the last level, which are not there."""
        return self.model.left_out

    @property
    def levels(self) -> tuple[FeatureSpec, ...]:
        """Name, channels and stride of each level, in the order of the output."""
        return tuple(self.model.feature_info[index] for index in self.out_indices)

    @property
    def feature_info(self) -> FeatureInfo:
        """The levels, for tools that ask as they ask timm's."""
        return FeatureInfo(self.levels)

    @property
    def in_chans(self) -> int:
        """Number of channels of the input images."""
        return self.model.in_chans

    @property
    def pretrained_cfg(self) -> dict[str, object]:
        """The model's, as timm calls it."""
        return self.model.pretrained_cfg

    @property
    def spec(self) -> BackboneSpec:
        """The document that rebuilds this backbone; it follows the spec of `model`."""
        return BackboneSpec(
            model=self.model.spec, out_indices=self.out_indices, output_fmt=self.output_fmt
        )

    @property
    def load_report(self) -> LoadReport | None:
        """What became of each tensor when weights were loaded; None where none were."""
        return self.model.load_report

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the levels of images (N, C, H, W), in the order of `out_indices`.

        Returns:
            Each level as (N, C, h, w), (N, h, w, C) or (N, L, C), by `output_fmt`.
        """
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
            """Compute the levels of images (N, C, H, W): `forward`, with its hooks."""
            ...

    def freeze(self, until: str | int) -> None:
        """Freeze the first layers: `ImageModel.freeze` of `model`, which explains `until`."""
        self.model.freeze(until)

    def unfreeze(self) -> None:
        """Train all layers again: the opposite of `freeze`."""
        self.model.unfreeze()

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute activations in the backward pass instead of keeping them."""
        self.model.set_grad_checkpointing(enable)
