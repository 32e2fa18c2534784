"""A strided 1x1 convolution of a few channels: PyTorch's numbers, and its process lives on."""

from __future__ import annotations

import signal

import pytest
import torch
from torch import nn

from tests.layers.fresh import fresh, randn
from tests.processes import run_forked, together
from typedvision.config.names import PadType
from typedvision.layers.conv import NarrowConv2d, conv2d
from typedvision.layers.fuse import fold_norms


@pytest.mark.parametrize("size", [(8, 8), (7, 6)])
@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("pad_type", ["same", "valid"])
@pytest.mark.parametrize("groups", [1, 3])
def test_it_has_the_numbers_of_pytorch(
    size: tuple[int, int], stride: int, pad_type: PadType, groups: int
) -> None:
    narrow = conv2d(3, 6, 1, stride=stride, groups=groups, bias=True, pad_type=pad_type)
    assert isinstance(narrow, NarrowConv2d)
    strided = nn.Conv2d(3, 6, 1, stride=stride, groups=groups).double()
    strided.load_state_dict(fresh(narrow).state_dict())
    images = randn(2, 3, *size).requires_grad_()
    torch.testing.assert_close(narrow(images), strided(images))
    ours, theirs = (
        torch.autograd.grad(conv(images).square().sum(), (images, *conv.parameters()))
        for conv in (narrow, strided)
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("channels", [3, 8])
def test_others_are_pytorchs(channels: int, stride: int) -> None:
    conv = conv2d(channels, 4, 1, stride=stride)
    strided = stride > 1 and conv.padding == (0, 0)  # 4 of the kernel's reach is padded
    assert (type(conv) is nn.Conv2d) == (channels == 8 or not strided)


def test_a_normalisation_is_folded_into_it() -> None:
    pair = fresh(nn.Sequential(conv2d(3, 6, 1, stride=2), nn.BatchNorm2d(6)))
    images = randn(2, 3, 8, 8)
    expected = pair(images)
    assert fold_norms(pair) == ["1"]
    torch.testing.assert_close(pair(images), expected)


@together
def test_a_step_with_channels_last_images_ends_well() -> None:
    # With PyTorch's layer, the process ends by a signal on a processor with AVX2.
    done = run_forked(steps)
    assert done.status == 0, done.output


def steps() -> None:
    signal.alarm(60)  # or it does not end at all
    for channels in range(1, 9):
        conv = conv2d(channels, 24, 1, stride=2)
        images = torch.randn(2, channels, 112, 112).to(memory_format=torch.channels_last)
        conv(images).sum().backward()
        conv(images.requires_grad_()).sum().backward()
