"""From an image to tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.config.names import Resampling
from typedvision.errors import UsageError


class PatchEmbed(nn.Module):
    """Splits an image into patches and projects each (https://arxiv.org/abs/2010.11929, eq. 1);
    in a hybrid not the image, but the map that a stem makes of it.

    Args:
        in_chans: C, channels of the image, or of the stem's map.
        features: D.
        patch_size: height and width of a patch, in pixels or positions of the stem's map.
        pad: pad the image with zeros at the right and bottom to whole patches; what is over is
            cut off otherwise.
        bias: whether the projection has a bias.
        norm: normalisation of the tokens; None for none.
        stem: what makes a map of the image; None for patches of the image itself.
        reduction: pixels for each position of that map.
        projects: whether patches are projected; else each is one position, with D channels.
    """

    def __init__(
        self,
        in_chans: int,
        features: int,
        patch_size: tuple[int, int],
        *,
        pad: bool = False,
        bias: bool = True,
        norm: nn.Module | None = None,
        stem: nn.Module | None = None,
        reduction: int = 1,
        projects: bool = True,
    ) -> None:
        super().__init__()
        self.patch_size: tuple[int, int] = patch_size
        self.reduction = reduction
        self.pad = pad
        self.backbone: nn.Module = stem or nn.Identity()
        self.proj: nn.Conv2d | nn.Identity = (
            nn.Conv2d(in_chans, features, patch_size, stride=patch_size, bias=bias)
            if projects
            else nn.Identity()
        )
        self.norm: nn.Module = norm or nn.Identity()

    @property
    def pixels(self) -> tuple[int, int]:
        """Height and width of a patch in pixels."""
        tall, wide = self.patch_size
        return tall * self.reduction, wide * self.reduction

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patches in an image of that height and width."""
        tall, wide = self.pixels
        if self.pad:
            height, width = height + -height % tall, width + -width % wide
        return height // tall, width // wide

    def check_size(
        self,
        x: Tensor,
        img_size: tuple[int, int] | None,
        otherwise: str = "",
    ) -> None:
        """Refuse images that the model cannot take.

        Args:
            x: images, (N, C, H, W).
            img_size: the height and width that they must have; None for any whole patches.
            otherwise: what the caller can do instead of resizing images or model.

        Raises:
            UsageError: they have another size.
        """
        check_image_size(x, self.pixels, self.pad, img_size, otherwise)

    def set_patch_size(self, size: tuple[int, int]) -> None:
        """Split into patches of another size; the projection is resampled.

        Raises:
            UsageError: there is no projection.
        """
        if isinstance(self.proj, nn.Identity):
            raise UsageError("this model's patches are the positions of its stem's map")
        old = self.proj.weight
        self.proj.weight = nn.Parameter(
            resample_patch_kernel(old.detach(), size), old.requires_grad
        )
        self.patch_size = self.proj.kernel_size = self.proj.stride = size

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to a grid of tokens, (N, h, w, D)."""
        if self.pad:
            height, width = x.shape[-2:]
            tall, wide = self.patch_size
            x = F.pad(x, (0, -width % wide, 0, -height % tall))
        return self.norm(self.proj(self.backbone(x)).permute(0, 2, 3, 1))


def check_image_size(
    x: Tensor,
    patch_size: tuple[int, int],
    pad: bool,
    img_size: tuple[int, int] | None,
    otherwise: str = "",
    resizable: bool = True,
) -> None:
    """Refuse images that a model with patches cannot take.

    Args:
        x: images, (N, C, H, W).
        patch_size: height and width of a patch.
        pad: whether images are padded to whole patches.
        img_size: the height and width that they must have; None for any whole patches.
        otherwise: what the caller can do instead of resizing images or model.
        resizable: whether the model has `set_input_size`.

    Raises:
        UsageError: they have another size.
    """
    (height, width), (tall, wide) = x.shape[-2:], patch_size
    if img_size is not None and (height, width) != img_size:
        wanted = f"of {img_size[0]} x {img_size[1]} pixels"
        call = f"call model.set_input_size(({height}, {width}))"
        instead = call if resizable else "resize them, or build it with another img_size"
    elif img_size is None and not pad and (height % tall or width % wide):
        wanted, instead = f"in multiples of {tall} x {wide} pixels", "resize them"
    else:
        return
    ways = f"{instead}, or {otherwise}" if otherwise else instead
    raise UsageError(f"this model takes images {wanted}; got {height} x {width}: {ways}")


torch.fx.wrap("check_image_size")  # looks at sizes, which a symbolic trace cannot


def check_fixed_size(x: Tensor, img_size: tuple[int, int] | None) -> None:
    """Refuse images of another size in a model that has no `set_input_size`.

    Args:
        x: images, (N, C, H, W).
        img_size: the height and width that they must have; None for any.

    Raises:
        UsageError: they have another size.
    """
    check_image_size(x, (1, 1), False, img_size, resizable=False)


class OverlappingPatches(nn.Module):
    """A convolution whose kernel reaches over the edges of its patches.

    Args:
        in_channels: C.
        features: D.
        kernel_size: rows and columns of the kernel.
        stride: rows and columns of a patch, in pixels.
        padding: rows and columns of zeros at each side.
    """

    def __init__(
        self,
        in_channels: int,
        features: int,
        kernel_size: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> None:
        super().__init__()
        self.proj: nn.Conv2d = nn.Conv2d(
            in_channels, features, kernel_size, stride=stride, padding=padding
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, h, w, D)."""
        return self.proj(x).permute(0, 2, 3, 1)


class PatchDropout(nn.Module):
    """Leaves out patches at random while training (https://arxiv.org/abs/2212.00794, section 3.1).

    Args:
        rate: share of the patches that is left out of each image.
        prefix: number of tokens in front that are no patches, and stay.
    """

    def __init__(self, rate: float, prefix: int) -> None:
        super().__init__()
        self.rate = rate
        self.prefix = prefix

    def forward(self, x: Tensor) -> Tensor:
        """(N, P + L, D) to (N, P + M, D), with M <= L patches in random order."""
        return self.keep(x, self.choose(x))

    def choose(self, x: Tensor) -> Tensor | None:
        """Which patches of (N, P + L, D) stay, (N, M); None for all of them."""
        if not self.training or self.rate == 0.0:
            return None
        patches = x[:, self.prefix :]
        count = max(1, int(patches.shape[1] * (1.0 - self.rate)))
        return torch.rand(patches.shape[:2], device=x.device).argsort(dim=1)[:, :count]

    def choose_valid(self, valid: Tensor) -> tuple[Tensor | None, Tensor]:
        """Which patches of images of several sizes stay, and whether each is a patch of the image.

        Args:
            valid: whether it is a patch of the image, (N, L).

        Returns:
            Both (N, M); None for all of them, and `valid`.
        """
        if not self.training or self.rate == 0.0:
            return None, valid
        count = max(1, int(valid.shape[1] * (1.0 - self.rate)))
        own = (valid.sum(1, keepdim=True) * (1.0 - self.rate)).long().clamp(min=1)
        last = torch.rand(valid.shape, device=valid.device).masked_fill(~valid, 1.0)
        chosen = last.argsort(dim=1)[:, :count]
        return chosen, torch.arange(count, device=valid.device) < own

    def keep(self, x: Tensor, chosen: Tensor | None) -> Tensor:
        """(N, P + L, D) to (N, P + M, D): the patches that were chosen, and what is in front."""
        if chosen is None:
            return x
        prefix, patches = x[:, : self.prefix], x[:, self.prefix :]
        index = chosen[:, :, None].expand(-1, -1, x.shape[-1])
        return torch.cat((prefix, patches.gather(1, index)), dim=1)

    def extra_repr(self) -> str:
        """The rate."""
        return f"{self.rate:.3g}, prefix={self.prefix}"


def resample_patch_kernel(
    weight: Tensor, size: tuple[int, int], mode: Resampling = "bicubic"
) -> Tensor:
    """The weight of a patch embedding for another patch size.

    The pseudo-inverse of resizing: a resized patch gives the embedding that the patch gave
    (https://arxiv.org/abs/2212.08013, section 3.4).

    Args:
        weight: (out, in, height, width).
        size: height and width that it shall have.
        mode: how a patch is resized; antialiased where that is bicubic.

    Returns:
        The new weight, (out, in, *size).
    """
    old = (weight.shape[2], weight.shape[3])
    pixels = torch.eye(old[0] * old[1]).reshape(-1, 1, *old)
    resize = F.interpolate(pixels, size, mode=mode, antialias=mode == "bicubic").flatten(1)
    # `resize` is (old pixels, new pixels): row by row, what becomes of each old pixel.
    resampled: Tensor = weight.float().flatten(2) @ torch.linalg.pinv(resize).T.to(weight.device)
    return resampled.reshape(*weight.shape[:2], *size).to(weight.dtype)
