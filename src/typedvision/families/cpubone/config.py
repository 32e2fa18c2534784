"""CPUBone as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from typedvision.config.base import Builds, Rate
from typedvision.config.low_resolution import (
    AttentionPlan,
    ConvPlan,
    LocalNorm,
    LowResolutionConfig,
    Upsampling,
)
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.cpubone.model import CPUBone


class CPUBoneConfig(LowResolutionConfig, Builds["CPUBone"]):
    """A CPUBone (https://arxiv.org/abs/2603.26425): a LowFormer of fewer multiplications, by
    convolutions of groups and of 2x2 kernels, for processors that do few of them at once."""

    fused_downsample: bool = False
    """Whether the last two stages subsample by a fused block, whatever the others are; the first
    two follow `fused_conv`."""
    attn_mlp_ratio: Annotated[int, Field(ge=1, le=1_024)] = 2
    """Hidden channels of the MLP for each of its own."""
    proj_drop_rate: Rate = 0.1
    """Dropout probability after each MLP."""
    small_kernels: bool = False
    """Whether kernels of the blocks with attention are 2x2."""
    attn_upsample: Upsampling = "transpose"
    """How attention brings its resolution back."""
    local_mbconv_norm: LocalNorm = "proj"
    """Which convolutions of the unfused blocks beside attention are normalised."""
    global_pool: Literal["", "avg"] = "avg"
    """How the last feature map becomes a vector; `""` for logits of each position."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        if min(self.width_list[3:]) < 2:
            yield Conflict("'width_list' must be at least 2 where there is attention", "width_list")
        if self.local_mbconv_norm != "proj" and all(conv.fused for conv in self._locals()):
            yield Conflict(
                "'local_mbconv_norm' means nothing where all blocks beside attention are fused: "
                "leave it out",
                "local_mbconv_norm",
            )
        yield from super().conflicts()

    def _locals(self) -> list[ConvPlan]:
        """The convolutional blocks beside attention."""
        return [conv for stage in self.plan().stages[2:] for conv in stage.convs]

    def _fuses_down(self, attends: bool) -> bool:
        return self.fused_downsample if attends else self.fused_conv

    def _local(self, conv: ConvPlan) -> ConvPlan:
        conv = super()._local(conv)
        kernel_size = 2 if self.small_kernels else conv.kernel_size
        return replace(conv, kernel_size=kernel_size, norm=self.local_mbconv_norm)

    def _attention(self, width: int, stage: int) -> AttentionPlan | None:
        plan = super()._attention(width, stage)
        if plan is None:
            return None
        kernel_size = 2 if self.small_kernels else plan.kernel_size
        return replace(plan, kernel_size=kernel_size, upsample=self.attn_upsample)
