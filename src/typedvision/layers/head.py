"""From the last feature map to logits."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from typedvision.config.names import Activation, ConvPool
from typedvision.layers.activation import activation
from typedvision.layers.pool import GlobalPool, pooled_features


def linear_classifier(features: int, num_classes: int) -> nn.Linear | nn.Identity:
    """A linear layer from features to logits; the identity where there are no classes."""
    return nn.Linear(features, num_classes) if num_classes else nn.Identity()


def conv_classifier(features: int, num_classes: int) -> nn.Conv2d | nn.Identity:
    """A 1x1 convolution from features to logits; the identity where there are no classes."""
    return nn.Conv2d(features, num_classes, 1) if num_classes else nn.Identity()


class ClassifierHead(nn.Module):
    """Pooling, a normalisation, a hidden layer, dropout and a linear classifier.

    Where nothing is pooled, there are logits for each position.

    Args:
        channels: channels D of the map.
        num_classes: classes K; 0 for no classifier.
        global_pool: how the map becomes a vector.
        drop_rate: dropout probability before the classifier.
        norm: the normalisation, of maps of the pooled features; None for none.
        hidden_size: outputs of the hidden layer; None for no such layer.
        hidden_act: activation of the hidden layer.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        global_pool: ConvPool,
        *,
        drop_rate: float = 0.0,
        norm: nn.Module | None = None,
        hidden_size: int | None = None,
        hidden_act: Activation = "gelu",
    ) -> None:
        super().__init__()
        self.channels = channels
        self.hidden_size = hidden_size
        self.norm: nn.Module = norm or nn.Identity()
        self.pre_logits: nn.Module = nn.Identity()
        if hidden_size:
            hidden = nn.Linear(pooled_features(global_pool, channels), hidden_size)
            self.pre_logits = nn.Sequential(
                OrderedDict({"fc": hidden, "act": activation(hidden_act)})
            )
        self.drop: nn.Dropout = nn.Dropout(drop_rate)
        self.reset(num_classes, global_pool)

    @property
    def features(self) -> int:
        """Number of features that the classifier sees."""
        return self.hidden_size or pooled_features(self.global_pool.kind, self.channels)

    def reset(self, num_classes: int, global_pool: ConvPool) -> None:
        """Put another pooling and an uninitialised classifier in place."""
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.fc: nn.Linear | nn.Identity = linear_classifier(self.features, num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K), or to (N, K, H, W) where nothing is pooled."""
        pools, x = self.global_pool.kind != "", self.global_pool(x)
        x = self.norm(x[:, :, None, None] if pools else x)
        x = self.drop(self.pre_logits(x.movedim(1, -1)))
        x = x if pre_logits else self.fc(x)
        return x.flatten(1) if pools else x.movedim(-1, 1)


class LinearHead(nn.Module):
    """Pooling, dropout and a linear classifier.

    Args:
        global_pool: how the map becomes a vector; with `""` every position of a map (N, h, w, D) is
            classified.
        channels: channels D of the map.
        num_classes: classes K; 0 for no classifier.
        drop_rate: dropout probability before the classifier.
        channels_last: whether maps are (N, h, w, D), and not (N, D, h, w).
    """

    def __init__(
        self,
        global_pool: ConvPool,
        channels: int,
        num_classes: int,
        drop_rate: float,
        *,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        features = pooled_features(global_pool, channels)
        self.global_pool: GlobalPool = GlobalPool(global_pool, channels_last=channels_last)
        self.drop: nn.Dropout = nn.Dropout(drop_rate)
        self.fc: nn.Linear | nn.Identity = linear_classifier(features, num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """A map to (N, K)."""
        x = self.drop(self.global_pool(x))
        return x if pre_logits else self.fc(x)
