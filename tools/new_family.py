"""Scaffolds a family: a small network that works and passes every check, to be rewritten.

    python -m tools.new_family NAME

writes `src/typedvision/families/NAME/` and prints what comes next. It never overwrites.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from pathlib import Path
from string import Template

from typedvision.registry import index

FAMILIES = Path(__file__).parents[1] / "src" / "typedvision" / "families"

CONFIG = '''\
"""$Class as data: what can vary, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from typedvision.config.base import Builds, Channels, Depth, ModelConfig, Rate, unpooled_classifier
from typedvision.config.features import FeatureSpec
from typedvision.config.names import Activation, ConvPool
from typedvision.config.problems import Conflict

if TYPE_CHECKING:
    from typedvision.families.$name.model import $Class


class ${Class}Config(ModelConfig, Builds["$Class"]):
    """A stem, a row of residual blocks, and a linear classifier."""

    width: Channels = 64
    """Channels of every feature map."""
    depth: Depth = 4
    """Number of blocks."""
    act_layer: Activation = "relu"
    """Activation."""
    global_pool: ConvPool = "avg"
    """How the last feature map becomes a vector."""
    drop_path_rate: Rate = 0.0
    """Probability of dropping the last block's residual branch; grows linearly from 0."""

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together."""
        yield from unpooled_classifier(self, self.global_pool)

    def features(self) -> tuple[FeatureSpec, ...]:
        """The stem, and the last block."""
        return (
            FeatureSpec(self.width, 4, "stem"),
            FeatureSpec(self.width, 4, f"blocks.{self.depth - 1}"),
        )

    def drop_path_rates(self) -> tuple[float, ...]:
        """The rate of each block."""
        last = max(self.depth - 1, 1)
        return tuple(self.drop_path_rate * number / last for number in range(self.depth))
'''

FAMILY = '''\
"""The $Class family: its published variants, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typedvision.config.base import ModelConfig
from typedvision.families.$name.config import ${Class}Config
from typedvision.registry.family import Capabilities, ModelFamily, Parts

if TYPE_CHECKING:
    from typedvision.families.$name.model import $Class


class ${Class}Family(ModelFamily[${Class}Config, "$Class"]):
    """Say here what the family is known for."""

    key = "$name"
    title = "$Class"
    paper = "https://arxiv.org/abs/"
    capabilities: ClassVar[Capabilities] = Capabilities(
        input_size="any", global_pool=("", "avg", "max", "avgmax", "catavgmax")
    )

    @classmethod
    def build(cls, cfg: ${Class}Config) -> $Class:
        """The model, not initialised."""
        from typedvision.families.$name.model import $Class

        return $Class(cfg)

    @classmethod
    def parts(cls, cfg: ${Class}Config) -> Parts:
        """The stem's convolution, and the classifier."""
        return Parts(first_conv=("stem.conv",), classifier=("fc",))

    variants: ClassVar[Mapping[str, ModelConfig]] = {
        "${name}_tiny": ${Class}Config(width=32, depth=2),
        "${name}_small": ${Class}Config(),
    }
'''

MODEL = '''\
"""$Class: the paper, and where in it the architecture stands.

Shapes: N images, C channels, H x W positions, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from typedvision.config.names import ConvPool
from typedvision.families.$name.config import ${Class}Config
from typedvision.layers.activation import activation
from typedvision.layers.drop import DropPath
from typedvision.architecture.image_model import ImageModel
from typedvision.layers.init import Inits, default_inits, kaiming_normal_fan_out
from typedvision.layers.pool import GlobalPool, pooled_features


class $Class(ImageModel):
    """A stem, a row of residual blocks, pooling and a linear classifier."""

    def __init__(self, cfg: ${Class}Config) -> None:
        super().__init__(cfg)
        self.num_features: int = cfg.width
        self.drop_rate: float = cfg.drop_rate
        self.stem: Stem = Stem(cfg)
        self.blocks: nn.ModuleList = nn.ModuleList(
            Block(cfg, rate) for rate in cfg.drop_path_rates()
        )
        self._replace_classifier(cfg.num_classes, cfg.global_pool)

    def _levels(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) to (N, D, H / 4, W / 4), after the stem and after the blocks."""
        x = self.stem(x)
        yield x
        yield self._run(self.blocks, x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, D, H, W) to (N, K)."""
        x = self.drop(self.global_pool(x))
        return x if pre_logits else self.fc(x)

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.fc

    def _replace_classifier(self, num_classes: int, global_pool: ConvPool) -> None:
        self.head_hidden_size: int = pooled_features(global_pool, self.num_features)
        self.global_pool: GlobalPool = GlobalPool(global_pool)
        self.drop: nn.Dropout = nn.Dropout(self.drop_rate)
        self.fc: nn.Linear | nn.Identity = (
            nn.Linear(self.head_hidden_size, num_classes) if num_classes else nn.Identity()
        )

    def inits(self, path: str, module: nn.Module) -> Inits:
        """Convolutions by their fan-out."""
        inits = default_inits(module)
        if isinstance(module, nn.Conv2d):
            return {**inits, "weight": kaiming_normal_fan_out()}
        return inits

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """The stem, then each block, or all of them."""
        return {"stem": r"^stem", "blocks": r"^blocks" if coarse else r"^blocks\\.(\\d+)"}


class Stem(nn.Module):
    """A convolution of patches."""

    def __init__(self, cfg: ${Class}Config) -> None:
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(cfg.in_chans, cfg.width, 4, stride=4, bias=False)
        self.norm: nn.BatchNorm2d = nn.BatchNorm2d(cfg.width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / 4, W / 4)."""
        y: Tensor = self.norm(self.conv(x))
        return y


class Block(nn.Module):
    """A 3x3 convolution beside the identity."""

    def __init__(self, cfg: ${Class}Config, drop_path_rate: float) -> None:
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(cfg.width, cfg.width, 3, padding=1, bias=False)
        self.norm: nn.BatchNorm2d = nn.BatchNorm2d(cfg.width)
        self.act: nn.Module = activation(cfg.act_layer)
        self.drop_path: DropPath = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D, H, W) to the same shape."""
        branch = self.act(self.norm(self.conv(x)))
        y: Tensor = x + self.drop_path(branch)
        return y
'''

FILES = {
    "__init__.py": "",
    "config.py": CONFIG,
    "family.py": FAMILY,
    "model.py": MODEL,
    "weights.json": "{}\n",
}

NEXT = """\
next:
  make generate   so that the index, the stubs and the documentation know the family
  make check      passes now, and is to pass after every step
then rewrite config.py, family.py and model.py until they say what the paper says, and write down
what the peer says of its variants:
  python -m tools.golden --timm PYTHON CONTRACTS $name
"""


def refusal(name: str) -> str | None:
    """Why a family cannot have this name; None where it can."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        return "a family's name is lower-case words joined by '_', such as 'my_net'"
    if keyword.iskeyword(name):
        return f"'{name}' is a word of Python itself"
    if (FAMILIES / name).exists() or name in index.family_keys():
        return f"there is a family '{name}' already"
    if {name, f"{name}_tiny", f"{name}_small"} & set(index.variants()):
        return f"there is a model '{name}' already; see `typedvision show {name}`"
    return None


def class_name(name: str) -> str:
    """The name as a class has it: `my_net` -> `MyNet`."""
    return "".join(word.capitalize() for word in name.split("_"))


def scaffold(name: str) -> Path:
    """Write the files of a family; returns its folder.

    Raises:
        ValueError: the family cannot have this name.
    """
    reason = refusal(name)
    if reason is not None:
        raise ValueError(reason)
    folder = FAMILIES / name
    folder.mkdir()  # fails where something is: nothing is overwritten
    for file, text in FILES.items():
        written = Template(text).substitute(name=name, Class=class_name(name))
        (folder / file).write_text(written, "utf-8")
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Scaffold the family that is named; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.new_family", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", metavar="NAME", help="lower-case words joined by '_'")
    name: str = parser.parse_args(arguments).name
    try:
        folder = scaffold(name)
    except ValueError as error:
        print(f"new_family: {error}", file=sys.stderr)
        return 2
    print("wrote", *(folder / file for file in FILES), sep="\n  ")
    print(Template(NEXT).substitute(name=name), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
