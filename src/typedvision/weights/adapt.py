"""Makes a tensor for one model from that of another: other channels, patches, grids or windows."""

from __future__ import annotations

import torch
from torch import Tensor

from typedvision.layers.patch_embed import resample_patch_kernel
from typedvision.layers.position import (
    resample_axis_table,
    resample_distance_table,
    resample_position_table,
    resample_relative_map,
    resample_relative_table,
)
from typedvision.weights.plan import Adaptation


def adapt(tensor: Tensor, adaptation: Adaptation, shape: torch.Size) -> Tensor:
    """What the plan says for one tensor.

    Args:
        tensor: the tensor of the checkpoint.
        adaptation: what to do with it.
        shape: the shape that it shall have.
    """
    for step in adaptation.steps:
        match step:
            case "patch_kernel":
                size = (shape[2], shape[3])
                tensor = resample_patch_kernel(tensor, size, adaptation.resampling)
            case "input_channels":
                tensor = convert_input_channels(tensor, shape[1], adaptation.stacked_pixels)
            case "position_table":
                assert adaptation.grids is not None
                grids, mode = adaptation.grids, adaptation.resampling
                tensor = resample_position_table(tensor, *grids, mode)
            case "relative_table":
                assert adaptation.grids is not None
                resample = resample_relative_map if tensor.ndim == 3 else resample_relative_table
                tensor = resample(tensor, *adaptation.grids)
            case "distance_table":
                assert adaptation.grids is not None
                tensor = resample_distance_table(tensor, *adaptation.grids)
            case "axis_table":
                tensor = resample_axis_table(tensor, shape[0])
    return tensor


def convert_input_channels(weight: Tensor, count: int, stacked_pixels: int = 1) -> Tensor:
    """The weight of a first convolution for another number of input channels.

    One channel sees the sum, so that a grey image gives what it gave as a colour one. More
    channels repeat the old ones, scaled so that the response keeps its size.

    Args:
        weight: (out, in, height, width).
        count: number of channels that it shall take.
        stacked_pixels: number of pixels whose channels stand together in its input, one pixel
            after the other.

    Returns:
        The new weight, (out, count, height, width).
    """
    if stacked_pixels > 1:
        out, channels, *kernel = weight.shape
        pixels = weight.reshape(out * stacked_pixels, channels // stacked_pixels, *kernel)
        converted = convert_input_channels(pixels, count // stacked_pixels)
        return converted.reshape(out, count, *kernel)
    wide = weight.float()
    channels = weight.shape[1]
    if count == 1:
        return wide.sum(dim=1, keepdim=True).to(weight.dtype)
    repeats = -(-count // channels)
    repeated = wide.repeat(1, repeats, 1, 1)[:, :count]
    return (repeated * (channels / count)).to(weight.dtype)
