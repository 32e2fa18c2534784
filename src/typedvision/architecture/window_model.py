"""`WindowModel`, the abstract base of Swin Transformers.

Shapes: N images, C channels, H x W pixels, h x w positions of a map, D features, K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from typedvision.architecture.image_model import LAST_GROUP, ImageModel, describe
from typedvision.config.names import ConvPool, OutputFormat
from typedvision.config.windows import (
    StageWindows,
    WindowBlock,
    WindowConfig,
    WindowPlan,
    WindowSize,
)
from typedvision.layers.head import LinearHead
from typedvision.layers.norm import token_norm
from typedvision.layers.patch_embed import PatchEmbed
from typedvision.layers.pool import pooled_features


class WindowModel(ImageModel, ABC):
    """Patches as tokens, stages of attention in windows, pooling and a linear classifier
    (https://arxiv.org/abs/2103.14030, figure 3).

    Args:
        cfg: the config.
        plan: its plan, made once.
    """

    embed_dim: int
    """Number of features of each token of the first stage."""
    global_pool: ConvPool
    """How the last map becomes a vector; `reset_classifier` changes it."""
    img_size: tuple[int, int]
    """Height and width in pixels that windows are made for; `set_input_size` changes it."""
    norm: nn.Module
    """The normalisation behind the last stage."""
    stages_path: ClassVar[str] = "layers"
    """The module whose children are the stages, by its name in checkpoints."""
    output_fmt: OutputFormat = "NHWC"

    def __init__(self, cfg: WindowConfig, plan: WindowPlan) -> None:
        super().__init__(cfg)
        self.embed_dim = cfg.embed_dim
        self.num_features: int = plan.stages[-1].features
        self.img_size = plan.img_size
        self._any_size: bool = cfg.input_size() is None
        self._cfg: WindowConfig = cfg
        norm = token_norm(cfg.norm_layer, cfg.embed_dim, cfg.norm_eps)
        self.patch_embed: PatchEmbed = PatchEmbed(
            cfg.in_chans, cfg.embed_dim, plan.patch_size, norm=norm
        )

    def _patches(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, H / 4, W / 4, D)."""
        if self._any_size:
            self.patch_embed.check_size(x, None)
        else:
            self.patch_embed.check_size(x, self.img_size, "build it with strict_img_size=False")
        return self.patch_embed(x)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, H / 32, W / 32, 8 D)."""
        return self._finish(self.get_submodule(self.stages_path)(self._patches(x)))

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, H / 4, W / 4, D), ..., (N, H / 32, W / 32, 8 D)."""
        x = self._patches(x)
        for stage in self.get_submodule(self.stages_path).children():
            x = stage(x)
            yield x

    def _finish(self, x: Tensor) -> Tensor:
        """The last normalisation."""
        return self.norm(x)

    def _normalized(self, x: Tensor, level: int) -> Tensor:
        """The last level as the last normalisation leaves it; the others as they are."""
        return self.norm(x) if level == len(self.feature_info) - 1 else x

    def _map(self, x: Tensor, pixels: tuple[int, int]) -> Tensor:
        """(N, h, w, D) to (N, D, h, w)."""
        return x.permute(0, 3, 1, 2).contiguous()

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The last map to (N, K)."""
        return self.head(x, pre_logits)

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The embedding, then each block, or each stage, then the last normalisation."""
        stages = rf"^{self.stages_path}\.(\d+)"
        if coarse:
            return {"stem": r"^patch_embed", "blocks": stages}
        return {
            "stem": r"^patch_embed",
            "blocks": [
                (rf"{stages}\.downsample", (0,)),
                (rf"{stages}\.\w+\.(\d+)", None),
                (r"^norm", LAST_GROUP),
            ],
        }

    def set_input_size(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
        window_size: WindowSize | StageWindows | None = None,
    ) -> None:
        """Take images of another size, in other patches and windows; `spec` follows.

        What was learned for the old patches and windows is resampled.

        Args:
            img_size: height and width in pixels; one number for a square; None keeps it.
            patch_size: height and width of a patch; one number for a square; None keeps it.
            window_size: as the config takes it; by default the windows grow with their map.

        Raises:
            ConfigError: the sizes do not go together; the model is as it was.
        """
        cfg = self._cfg.resized(img_size, patch_size, window_size)
        plan = cfg.plan()
        if plan.patch_size != self.patch_embed.patch_size:
            self.patch_embed.set_patch_size(plan.patch_size)
        blocks = [module for module in self.modules() if isinstance(module, ShiftedBlock)]
        plans = [block for stage in plan.stages for block in stage.blocks]
        for block, block_plan in zip(blocks, plans, strict=True):
            block.set_window(block_plan.window, block_plan.shift)
        self.img_size, self._cfg = plan.img_size, cfg
        sizes = {"img_size", "patch_size", "window_size"}
        describe(self, self.spec.with_options(**cfg.model_dump(include=sizes)))

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.global_pool = global_pool
        self.head_hidden_size: int = pooled_features(global_pool, self.num_features)
        self.head: LinearHead = LinearHead(
            global_pool,
            self.num_features,
            num_classes,
            self._cfg.drop_rate,
            channels_last=self.output_fmt == "NHWC",
        )


class ShiftedBlock(nn.Module, ABC):
    """A block that attends in windows, which may be shifted.

    Args:
        plan: its numbers.
    """

    def __init__(self, plan: WindowBlock) -> None:
        super().__init__()
        self.window: tuple[int, int] = plan.window
        self.shift: tuple[int, int] = plan.shift

    @abstractmethod
    def set_window(self, window: tuple[int, int], shift: tuple[int, int]) -> None:
        """Attend in other windows; what was learned for the old ones is resampled."""
