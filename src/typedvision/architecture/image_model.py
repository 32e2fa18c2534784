"""`ImageModel`, the abstract product of every family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, get_args

import torch
from torch import Tensor, nn

from typedvision.architecture.order import cut, divide
from typedvision.config.features import FeatureInfo, FeatureSpec
from typedvision.config.names import OutputFormat
from typedvision.errors import (
    ConfigError,
    Problem,
    UnknownNameError,
    UsageError,
    listed,
    shown,
)
from typedvision.layers.blocks import Blocks
from typedvision.layers.init import Initializers, default_initializers, initialize
from typedvision.layers.shard import empty_as
from typedvision.registry import index
from typedvision.registry.family import within
from typedvision.registry.spec import ModelSpec
from typedvision.registry.timm_config import timm_config

if TYPE_CHECKING:
    from typedvision.config.base import ModelConfig
    from typedvision.weights.plan import LoadReport

LAST_GROUP: Final = (99_999,)
"""Beside an expression of `group_matcher`: what it matches belongs to the group before it, as the
last normalisation belongs to the last block."""


class ImageModel(nn.Module, ABC):
    """A model of images: images in, features or logits out.

    Shapes: N images, C channels, H x W pixels, K classes, D features.
    """

    num_classes: int
    """Number of classes of the classifier; 0 for none."""
    num_features: int
    """Number of channels of `forward_features`' output."""
    head_hidden_size: int
    """Number of features that the classifier sees."""
    feature_info: FeatureInfo
    """The feature levels, from the input to the output."""
    in_chans: int
    """Number of channels of the input images."""
    drop_rate: float
    """Dropout probability before the classifier."""
    output_fmt: OutputFormat = "NCHW"
    """Layout of what `forward_features` gives."""
    joins_levels: bool = False
    """Whether the final features are made of several levels, and so computed on their own."""
    grad_checkpointing: bool
    """Whether the backward pass recomputes activations."""
    load_report: LoadReport | None
    """What became of each tensor when weights were loaded; None where none were."""
    left_out: tuple[str, ...]
    """Paths of the layers that a backbone took away; none of a whole model."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.num_classes = cfg.num_classes
        self.feature_info = FeatureInfo(cfg.features())
        self.in_chans = cfg.in_chans
        self.drop_rate = cfg.drop_rate
        self.grad_checkpointing = False
        self.load_report = None
        self.left_out = ()
        self._frozen_until: str | None = None
        self._cfg = cfg
        self._spec: ModelSpec | None = None

    @property
    def spec(self) -> ModelSpec:
        """The document that rebuilds this model; it follows `reset_classifier`."""
        if self._spec is None:
            self._spec = ModelSpec.from_config(self._cfg)
        return self._spec

    @property
    def pretrained_cfg(self) -> dict[str, object]:
        """What timm calls so, made from the spec, for tools that read it there: the architecture,
        its tag, and what it expects of its input image."""
        return timm_config(self.spec)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W); features where there are no classes."""
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature map or tokens of images (N, C, H, W), before pooling."""
        self._check_size(x, self.feature_info[-1])
        for output in self._levels(x):
            x = output
        return self._finish(x)

    @abstractmethod
    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits (N, K) of features; with `pre_logits`, what the classifier would see."""

    @abstractmethod
    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """The output of each feature level of images (N, C, H, W), each made from the last.

        A backbone does without the layers past its last level: this may use them only after that
        level is yielded, and every module is registered in the order of the computation.
        """

    def _check_size(self, x: Tensor, level: FeatureSpec) -> None:
        """Refuse images (N, C, H, W) of which unpadded convolutions leave nothing in a level.

        Raises:
            UsageError: the images are too small.
        """
        if level.margin:
            check_smallest(x, level.margin + level.stride)

    def _finish(self, x: Tensor) -> Tensor:
        """What stands between the last level and the head."""
        return x

    def _joined(self, levels: Sequence[Tensor]) -> Tensor:
        """What `forward_features` gives, made of the outputs of all levels."""
        return self._finish(levels[-1])

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """A level's output as the last features are normalised."""
        return x

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """A level's output for images of that height and width as a map, (N, C, H, W)."""
        return x

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
        """The final features of images, and the outputs of some levels in the order of the model.

        Args:
            x: images, (N, C, H, W).
            indices: the last so many levels, or these levels; all by default.
            norm: normalise each intermediate as the last features are, where the model can.
            stop_early: do not compute past the last level that was asked for; where that is not
                the model's last, the normalised output of that level is the final features.
            output_fmt: layout of the intermediates.
            intermediates_only: return the list alone.

        Raises:
            ConfigError: there is no such level, or no such layout.
            UsageError: the images are too small for unpadded convolutions.
        """
        wanted = chosen_levels(indices, len(self.feature_info))
        layout = _layout(output_fmt)
        images, pixels, last = x, (x.shape[-2], x.shape[-1]), max(wanted, default=-1)
        level, end = -1, len(self.feature_info) - 1
        outputs: list[Tensor] = []
        if stop_early and intermediates_only and not wanted:
            return outputs
        stops = stop_early or bool(self.left_out)
        self._check_size(x, self.feature_info[max(last, 0) if stops else end])
        for level, output in enumerate(self._levels(x)):
            x = output
            if level in wanted:
                y = self._normalized(x, level) if norm else x
                outputs.append(layout(self._map(y, pixels)))
            if stops and level >= last:
                break
        if intermediates_only:
            return outputs
        if level < end:
            return self._normalized(x, level), outputs
        return self.forward_features(images) if self.joins_levels else self._finish(x), outputs

    def prune_intermediate_layers(
        self,
        indices: int | Sequence[int] = 1,
        prune_norm: bool = False,
        prune_head: bool = True,
    ) -> list[int]:
        """Take away the layers past the last of some levels, so that `forward_intermediates` of
        these levels is all that is left, as in a backbone (`create_backbone` makes one).

        Args:
            indices: the last so many levels, or these levels.
            prune_norm: what timm asks for; the normalisation past the level always goes.
            prune_head: what timm asks for; the head always goes.

        Returns:
            The levels.

        Raises:
            ConfigError: there is no such level.
        """
        wanted = chosen_levels(indices, len(self.feature_info))
        last = self.feature_info[max(wanted)].name
        self.left_out = cut(self, self.divided(last)[1])
        return list(wanted)

    def get_classifier(self) -> nn.Module:
        """The last layer, which gives the logits; a list where several do."""
        parts = index.family(self.spec.family).parts(self.spec.config)
        layers = [self.get_submodule(path) for path in parts.classifier]
        return layers[0] if len(layers) == 1 else nn.ModuleList(layers)

    @abstractmethod
    def _replace_classifier(self, num_classes: int, global_pool: Any) -> None:
        """Put a new pooling and an uninitialised classifier in place."""
        # Any: each family has its own vocabulary of poolings.

    def reset_classifier(
        self, num_classes: int, global_pool: str | None = None, *, seed: int | None = None
    ) -> None:
        """Replace the classifier by a freshly initialised one; `spec` follows.

        Args:
            num_classes: number of classes; 0 for none.
            global_pool: another kind of pooling; None keeps it.
            seed: seed of the new weights; by default PyTorch's (`torch.initial_seed()`).

        Raises:
            ConfigError: the model's family has no such classifier; the model is as it was.
            UsageError: the model is that of a backbone, or the seed no integer.
        """
        check_whole(self)
        seed = chosen_seed(seed)
        options: dict[str, object] = {"num_classes": num_classes}
        if global_pool is not None:
            options["global_pool"] = global_pool
        spec = self.spec.with_options(**options).replace(class_names=None)  # they are new ones
        kept = set(self.modules())  # the modules, not their ids: those of freed ones come again
        reference = next(self.parameters())
        with torch.device("meta"):
            self._replace_classifier(num_classes, getattr(spec.config, "global_pool", ""))
        self.num_classes = num_classes
        describe(self, spec)
        fresh = {path: new for path, new in self.named_modules() if new not in kept}
        for module in fresh.values():
            module.train(self.training).to(reference.dtype)
            module._apply(lambda tensor: empty_as(tensor, reference.device), recurse=False)
        if reference.device.type != "meta":
            keys = [key for key, _ in (*self.named_parameters(), *self.named_buffers())]
            new_keys = {key for key in keys if key.rpartition(".")[0] in fresh}
            initialize(self, seed, self.initializers, only=new_keys)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """How the tensors that the module at `path` itself owns are initialised.

        A family whose paper initialises differently overrides this.
        """
        return default_initializers(module)

    @torch.no_grad()
    def init_weights(self, seed: int | None = None) -> Self:
        """Give every parameter and buffer its initial value.

        Args:
            seed: the same seed gives the same weights; by default PyTorch's
                (`torch.initial_seed()`), which is read and not advanced.

        Raises:
            UsageError: the seed is no integer.
        """
        initialize(self, chosen_seed(seed), self.initializers)
        return self

    def no_weight_decay(self) -> set[str]:
        """Keys of the parameters that weight decay should leave alone."""
        return set()

    @abstractmethod
    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """Regular expressions that sort parameters into groups from the input to the output.

        Args:
            coarse: by stages instead of blocks.
        """

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute activations in the backward pass instead of keeping them."""
        self.grad_checkpointing = enable
        for module in self.modules():
            if isinstance(module, Blocks):
                module.grad_checkpointing = enable

    def freeze(self, until: str | int) -> None:
        """Keep the first layers as they are: no gradients, and evaluation mode also in `train()`.

        So their batch statistics stay, and they drop nothing. What was frozen before is not.

        Args:
            until: path of the last module to freeze, `"layer2"`; or how many feature levels.

        Raises:
            UnknownNameError: there is no such module.
            ConfigError: there are not so many feature levels.
            UsageError: `until` is something else.
        """
        last = self._last_frozen(until)
        self.unfreeze()
        self._frozen_until = last
        for parameter in self._frozen_parameters():
            parameter.requires_grad_(False)
        self.train(self.training)

    def unfreeze(self) -> None:
        """Train what was frozen."""
        for parameter in self._frozen_parameters():
            parameter.requires_grad_(True)
        self._frozen_until = None
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the training mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        if self._frozen_until is not None:
            for path in self.divided(self._frozen_until)[0]:
                self.get_submodule(path).eval()
        return self

    def _frozen_parameters(self) -> list[nn.Parameter]:
        if self._frozen_until is None:
            return []
        _, after = self.divided(self._frozen_until)
        named = self.named_parameters()
        return [parameter for key, parameter in named if not within(key, after)]

    def divided(self, path: str) -> tuple[list[str], list[str]]:
        """What is used up to the module at a path, and what comes in after it.

        A family whose modules are not registered in the order of computation overrides this.

        Args:
            path: a module's, as in `model.get_submodule(path)`.

        Returns:
            Paths of the modules of either part, each for all that is inside; after a feature level
            also keys of the model's own parameters.
        """
        until, after = divide(self, path)
        if any(level.name == path for level in self.feature_info):
            after += self.late_parameters(path)
        return until, after

    def late_parameters(self, level: str) -> tuple[str, ...]:
        """The model's own parameters that only come in past a feature level, which is named."""
        return ()

    def _last_frozen(self, until: str | int) -> str | None:
        count = len(self.feature_info)
        if isinstance(until, bool) or not isinstance(until, int | str):
            raise UsageError(
                f"freeze takes the path of a module, or how many levels; got {shown(until)}"
            )
        if isinstance(until, int):
            if not 0 <= until <= count:
                message = f"must be in [0, {count}]; got {until}"
                problem = Problem(("until",), "range", message, until)
                raise ConfigError(f"the model has {count} feature levels", [problem])
            if until == 0:
                return None
            until = self.feature_info[until - 1].name
        paths = [path for path, _ in self.named_modules() if path]
        if until not in paths:
            raise UnknownNameError.of("module", until, paths, owner=type(self).__name__)
        return until


def describe(model: ImageModel, spec: ModelSpec) -> None:
    """Record the spec that a model was built from; its feature levels follow another config."""
    if spec.config is not model._cfg:
        model.feature_info = FeatureInfo(spec.config.features())
    model._spec, model._cfg = spec, spec.config


def check_whole(model: ImageModel) -> None:
    """Refuse the model of a backbone, which ends with the last level that was asked for.

    Raises:
        UsageError: layers were taken away from the model.
    """
    if model.left_out:
        raise UsageError(
            f"this {type(model).__name__} is the model of a backbone, without "
            f"'{model.left_out[0]}' and what follows: use the backbone, or a model of its own"
        )


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def check_smallest(x: Tensor, smallest: int) -> None:
    """Refuse images (N, C, H, W) whose height or width is less than so many pixels.

    Raises:
        UsageError: they are too small.
    """
    height, width = x.shape[-2:]
    if min(height, width) < smallest:
        raise UsageError(
            f"this model takes images of at least {smallest} x {smallest} pixels; got "
            f"{height} x {width}: resize them"
        )


@torch.fx.wrap  # looks at sizes, which a symbolic trace cannot
def check_multiple(x: Tensor, multiple: int, rounded: int = 1) -> None:
    """Refuse images (N, C, H, W) whose height or width is no multiple of so many pixels.

    Args:
        x: the images.
        multiple: the number of pixels.
        rounded: first round height and width up to a multiple of this, as a stem does.

    Raises:
        UsageError: they have another size.
    """
    height, width = x.shape[-2:]
    if any(-(-side // rounded) * rounded % multiple for side in (height, width)):
        raise UsageError(
            f"this model takes images in multiples of {multiple} pixels; got {height} x {width}: "
            "resize them"
        )


def chosen_levels(indices: int | Sequence[int] | None, count: int) -> tuple[int, ...]:
    """The levels that a caller asked for, as positions among `count`, in ascending order.

    Raises:
        ConfigError: a level that the model does not have.
    """
    if indices is None:
        return tuple(range(count))
    wanted = range(-indices, 0) if isinstance(indices, int) else indices
    for level in wanted:
        if not -count <= level < count:
            message = f"must be in [{-count}, {count - 1}]; got {level}"
            problem = Problem(("indices",), "range", message, level)
            raise ConfigError(f"the model has {count} feature levels", [problem])
    return tuple(sorted({level % count for level in wanted}))


def _layout(output_fmt: OutputFormat) -> Callable[[Tensor], Tensor]:
    """What brings a map (N, C, H, W) into a layout."""
    match output_fmt:
        case "NCHW":
            return lambda x: x
        case "NHWC":
            return lambda x: x.permute(0, 2, 3, 1).contiguous()
        case "NLC":
            return lambda x: x.flatten(2).transpose(1, 2).contiguous()
    allowed = get_args(OutputFormat)
    message = f"must be {listed(allowed)}; got {shown(output_fmt)}"
    problem = Problem(("output_fmt",), "choice", message, output_fmt, allowed)
    raise ConfigError("there is no such layout", [problem])


def chosen_seed(seed: int | None) -> int:
    """The seed that a caller names; PyTorch's, read and not advanced, where they name none.

    Raises:
        UsageError: it is no integer.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | None):
        raise UsageError(f"seed must be an integer; got {shown(seed)}")
    return torch.initial_seed() if seed is None else seed
