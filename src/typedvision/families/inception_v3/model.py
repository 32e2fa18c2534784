"""Inception-v3 (https://arxiv.org/abs/1512.00567, table 1).

Shapes: N images, C channels in, D channels out, H x W positions, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typedvision.architecture.pooled_model import PooledModel
from typedvision.config.names import ConvPool
from typedvision.errors import UsageError
from typedvision.families.inception_v3.config import InceptionV3Config
from typedvision.layers.head import linear_classifier
from typedvision.layers.inception import InceptionConv
from typedvision.layers.init import Initializers, default_initializers, trunc_normal


class InceptionV3(PooledModel):
    """A stem, blocks of branches at three resolutions, pooling and a linear classifier."""

    classifier_name: ClassVar[str] = "fc"
    fc: nn.Linear | nn.Identity

    def __init__(self, cfg: InceptionV3Config) -> None:
        super().__init__(cfg)
        self.num_features: int = 2048
        self.aux_training: bool = False

        self.Conv2d_1a_3x3: InceptionConv = InceptionConv(cfg, cfg.in_chans, 32, 3, stride=2)
        self.Conv2d_2a_3x3: InceptionConv = InceptionConv(cfg, 32, 32, 3, padded=False)
        self.Conv2d_2b_3x3: InceptionConv = InceptionConv(cfg, 32, 64, 3)
        self.Pool1: nn.MaxPool2d = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1: InceptionConv = InceptionConv(cfg, 64, 80, 1)
        self.Conv2d_4a_3x3: InceptionConv = InceptionConv(cfg, 80, 192, 3, padded=False)
        self.Pool2: nn.MaxPool2d = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b: InceptionA = InceptionA(cfg, 192, pooled=32)
        self.Mixed_5c: InceptionA = InceptionA(cfg, 256, pooled=64)
        self.Mixed_5d: InceptionA = InceptionA(cfg, 288, pooled=64)
        self.Mixed_6a: InceptionB = InceptionB(cfg, 288)
        self.Mixed_6b: InceptionC = InceptionC(cfg, 768, width=128)
        self.Mixed_6c: InceptionC = InceptionC(cfg, 768, width=160)
        self.Mixed_6d: InceptionC = InceptionC(cfg, 768, width=160)
        self.Mixed_6e: InceptionC = InceptionC(cfg, 768, width=192)
        self.AuxLogits: AuxiliaryClassifier | None = None
        if cfg.aux_logits:
            self.AuxLogits = AuxiliaryClassifier(cfg, 768)
        self.Mixed_7a: InceptionD = InceptionD(cfg, 768)
        self.Mixed_7b: InceptionE = InceptionE(cfg, 1280)
        self.Mixed_7c: InceptionE = InceptionE(cfg, 2048)
        super()._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 2, W / 2), ..., (N, D, H / 32, W / 32)."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        yield x
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.Pool1(x)))
        yield x
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.Pool2(x))))
        yield x
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_6e(self.Mixed_6d(x))
        yield x
        yield self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, K); in training after `set_aux_training`, to two of these."""
        if self.aux_training and self.training:
            # The one exception, which the caller asked for; `forward_aux` has its type.
            return cast("Tensor", self.forward_aux(x))
        return super().forward(x)

    def set_aux_training(self, enable: bool = True) -> None:
        """In training, give the logits of both classifiers, as `forward_aux` returns them, to have
        a loss each.

        Raises:
            UsageError: the model has one classifier.
        """
        self._check_aux()
        self.aux_training = enable

    def forward_aux(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) of the classifier and of the auxiliary one, for images (N, C, H, W).

        Raises:
            UsageError: the model has one classifier.
        """
        auxiliary = self._check_aux()
        *_, middle, last = self._levels(x)
        return self.forward_head(last), auxiliary(middle)

    def _check_aux(self) -> AuxiliaryClassifier:
        if self.AuxLogits is None:
            raise UsageError(
                "this model has one classifier: call the model itself, or build it with "
                "aux_logits=True"
            )
        return self.AuxLogits

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        super()._replace_classifier(num_classes, global_pool)
        if self.AuxLogits is not None:
            self.AuxLogits.reset(num_classes)

    def initializers(self, path: str, module: nn.Module) -> Initializers:
        """Weights by a normal distribution, narrower in the auxiliary classifier."""
        initializers = default_initializers(module)
        if isinstance(module, nn.Conv2d | nn.Linear):
            std = 0.001 if path == "AuxLogits.fc" else 0.1
            return {**initializers, "weight": trunc_normal(std)}
        return initializers

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The two parts of the stem, then each block."""
        blocks = [name for name, _ in self.named_children() if name.startswith(("Mixed", "Aux"))]
        return {
            "stem": r"^Conv2d_[12]",
            "stem_2": r"^Conv2d_[34]",
            "blocks": [(rf"^{name}\.", (number,)) for number, name in enumerate(blocks)],
        }


class InceptionA(nn.Module):
    """1x1, 5x5 and two 3x3 convolutions, and an average (figure 5)."""

    def __init__(self, cfg: InceptionV3Config, channels: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1: InceptionConv = InceptionConv(cfg, channels, 64, 1)
        self.branch5x5_1: InceptionConv = InceptionConv(cfg, channels, 48, 1)
        self.branch5x5_2: InceptionConv = InceptionConv(cfg, 48, 64, 5)
        self.branch3x3dbl_1: InceptionConv = InceptionConv(cfg, channels, 64, 1)
        self.branch3x3dbl_2: InceptionConv = InceptionConv(cfg, 64, 96, 3)
        self.branch3x3dbl_3: InceptionConv = InceptionConv(cfg, 96, 96, 3)
        self.pool: nn.AvgPool2d = nn.AvgPool2d(3, stride=1, padding=1)
        self.branch_pool: InceptionConv = InceptionConv(cfg, channels, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        one = self.branch1x1(x)
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat((one, five, three, self.branch_pool(self.pool(x))), dim=1)


class InceptionB(nn.Module):
    """Halves the map by one 3x3 convolution, by two, and by a pooling (figure 10)."""

    def __init__(self, cfg: InceptionV3Config, channels: int) -> None:
        super().__init__()
        self.branch3x3: InceptionConv = InceptionConv(cfg, channels, 384, 3, stride=2)
        self.branch3x3dbl_1: InceptionConv = InceptionConv(cfg, channels, 64, 1)
        self.branch3x3dbl_2: InceptionConv = InceptionConv(cfg, 64, 96, 3)
        self.branch3x3dbl_3: InceptionConv = InceptionConv(cfg, 96, 96, 3, stride=2)
        self.pool: nn.MaxPool2d = nn.MaxPool2d(3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat((self.branch3x3(x), double, self.pool(x)), dim=1)


class InceptionC(nn.Module):
    """A 1x1 convolution, one 7x7 and two 7x7 as rows and columns, and an average (figure 6)."""

    def __init__(self, cfg: InceptionV3Config, channels: int, width: int) -> None:
        super().__init__()
        row, column = (1, 7), (7, 1)
        self.branch1x1: InceptionConv = InceptionConv(cfg, channels, 192, 1)
        self.branch7x7_1: InceptionConv = InceptionConv(cfg, channels, width, 1)
        self.branch7x7_2: InceptionConv = InceptionConv(cfg, width, width, row)
        self.branch7x7_3: InceptionConv = InceptionConv(cfg, width, 192, column)
        self.branch7x7dbl_1: InceptionConv = InceptionConv(cfg, channels, width, 1)
        self.branch7x7dbl_2: InceptionConv = InceptionConv(cfg, width, width, column)
        self.branch7x7dbl_3: InceptionConv = InceptionConv(cfg, width, width, row)
        self.branch7x7dbl_4: InceptionConv = InceptionConv(cfg, width, width, column)
        self.branch7x7dbl_5: InceptionConv = InceptionConv(cfg, width, 192, row)
        self.pool: nn.AvgPool2d = nn.AvgPool2d(3, stride=1, padding=1)
        self.branch_pool: InceptionConv = InceptionConv(cfg, channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        one = self.branch1x1(x)
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat((one, seven, double, self.branch_pool(self.pool(x))), dim=1)


class InceptionD(nn.Module):
    """Halves the map by a 3x3 convolution, by a 7x7 and a 3x3 one, and by a pooling."""

    def __init__(self, cfg: InceptionV3Config, channels: int) -> None:
        super().__init__()
        self.branch3x3_1: InceptionConv = InceptionConv(cfg, channels, 192, 1)
        self.branch3x3_2: InceptionConv = InceptionConv(cfg, 192, 320, 3, stride=2)
        self.branch7x7x3_1: InceptionConv = InceptionConv(cfg, channels, 192, 1)
        self.branch7x7x3_2: InceptionConv = InceptionConv(cfg, 192, 192, (1, 7))
        self.branch7x7x3_3: InceptionConv = InceptionConv(cfg, 192, 192, (7, 1))
        self.branch7x7x3_4: InceptionConv = InceptionConv(cfg, 192, 192, 3, stride=2)
        self.pool: nn.MaxPool2d = nn.MaxPool2d(3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 2, W / 2)."""
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return torch.cat((three, self.branch7x7x3_4(seven), self.pool(x)), dim=1)


class InceptionE(nn.Module):
    """A 1x1 convolution, two branches that end in a row beside a column, and an average
    (figure 7)."""

    def __init__(self, cfg: InceptionV3Config, channels: int) -> None:
        super().__init__()
        row, column = (1, 3), (3, 1)
        self.branch1x1: InceptionConv = InceptionConv(cfg, channels, 320, 1)
        self.branch3x3_1: InceptionConv = InceptionConv(cfg, channels, 384, 1)
        self.branch3x3_2a: InceptionConv = InceptionConv(cfg, 384, 384, row)
        self.branch3x3_2b: InceptionConv = InceptionConv(cfg, 384, 384, column)
        self.branch3x3dbl_1: InceptionConv = InceptionConv(cfg, channels, 448, 1)
        self.branch3x3dbl_2: InceptionConv = InceptionConv(cfg, 448, 384, 3)
        self.branch3x3dbl_3a: InceptionConv = InceptionConv(cfg, 384, 384, row)
        self.branch3x3dbl_3b: InceptionConv = InceptionConv(cfg, 384, 384, column)
        self.pool: nn.AvgPool2d = nn.AvgPool2d(3, stride=1, padding=1)
        self.branch_pool: InceptionConv = InceptionConv(cfg, channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, 2048, H, W)."""
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        parts = (
            self.branch1x1(x),
            self.branch3x3_2a(three),
            self.branch3x3_2b(three),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(self.pool(x)),
        )
        return torch.cat(parts, dim=1)


class AuxiliaryClassifier(nn.Module):
    """A classifier of an earlier map (section 4), which helps to train what is before it."""

    def __init__(self, cfg: InceptionV3Config, channels: int) -> None:
        super().__init__()
        self.conv0: InceptionConv = InceptionConv(cfg, channels, 128, 1)
        self.conv1: InceptionConv = InceptionConv(cfg, 128, 768, 5, padded=False)
        self.reset(cfg.num_classes)

    def reset(self, num_classes: int) -> None:
        """Put an uninitialised linear layer in place."""
        self.fc: nn.Module = linear_classifier(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), of at least 17 x 17 positions, to (N, K)."""
        x = self.conv1(self.conv0(F.avg_pool2d(x, 5, stride=3)))
        return self.fc(x.mean((2, 3)))
