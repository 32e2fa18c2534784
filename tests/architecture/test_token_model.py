"""What models of tokens, and of tokens in stages, promise to those who look into them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, fx, nn

import typedvision as tv
from typedvision.architecture.image_model import ImageModel
from typedvision.architecture.token_model import TokenModel
from typedvision.config.base import ModelConfig

PLAIN = {"img_size": 8, "patch_size": 2, "embed_dim": 16, "depth": 2, "num_heads": 2}
ROPE = {"use_rot_pos_emb": True, "use_abs_pos_emb": False}
CONFIGS = {
    "vit": tv.configure("vit_tiny_patch16_224", **PLAIN),
    "distilled": tv.configure("deit_tiny_distilled_patch16_224", **PLAIN),
    "any_size": tv.configure("vit_tiny_patch16_224", dynamic_img_size=True, **PLAIN),
    "map": tv.configure("vit_tiny_patch16_224", global_pool="map", **PLAIN),
    "prr": tv.configure("vit_tiny_patch16_224", global_pool="prr", **PLAIN),
    "diff": tv.configure("vit_dpwee_patch16_reg1_gap_256", **PLAIN),
    "eva": tv.configure("eva02_tiny_patch14_224", **PLAIN),
    "mixed": tv.configure("vit_small_patch16_rope_mixed_224", **PLAIN),
    "dinov3": tv.configure("vit_small_patch16_dinov3", **PLAIN),
    "mrope": tv.configure("eva02_tiny_patch14_224", rope_type="mrope", **PLAIN),
    "beit": tv.configure("beit_base_patch16_224", use_shared_rel_pos_bias=True, **PLAIN),
    "swin": tv.configure(
        "swin_tiny_patch4_window7_224",
        img_size=32,
        embed_dim=8,
        depths=(2, 2),
        num_heads=(2, 4),
        window_size=5,
    ),
}


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> ModelConfig:
    """A small model of each kind."""
    return CONFIGS[request.param]


def model_of(config: ModelConfig) -> ImageModel:
    return tv.create_model(config, dtype=torch.float64, seed=0).eval()


def images(config: ModelConfig) -> Tensor:
    side = config.input_size() or 8
    assert isinstance(side, int)
    return torch.randn(2, 3, side, side, dtype=torch.float64)


def containers(model: nn.Module) -> Iterator[str]:
    """The paths of the blocks, and of what holds them."""
    for path, _ in model.named_modules():
        first, last = path.split(".")[0], path.split(".")[-1]
        if first in ("blocks", "layers") and last in ("blocks", "layers", "0", "1"):
            yield path


def test_a_hook_on_any_container_fires(config: ModelConfig) -> None:
    model, fired = model_of(config), set()
    paths = set(containers(model))
    assert len(paths) > 2
    for path in paths:
        model.get_submodule(path).register_forward_hook(lambda *_, path=path: fired.add(path))
    model(images(config))
    assert fired == paths


def test_it_is_traced_symbolically(config: ModelConfig) -> None:
    model, x = model_of(config), images(config)
    torch.testing.assert_close(fx.symbolic_trace(model)(x), model(x))


class Wrapper(nn.Module):
    """Calls another module."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the inner module gives."""
        return self.inner(*inputs)


def test_blocks_and_stages_can_be_wrapped(config: ModelConfig) -> None:
    model, x = model_of(config), images(config)
    wanted = model(x), model.forward_intermediates(x)[1]
    blocks = model.blocks if isinstance(model, TokenModel) else model.layers
    blocks[1] = Wrapper(blocks[1])
    blocks[0] = torch.compile(blocks[0], backend="eager")
    torch.testing.assert_close((model(x), model.forward_intermediates(x)[1]), wanted)


def test_the_base_is_never_built() -> None:
    with pytest.raises(TypeError, match="abstract"):
        TokenModel(CONFIGS["vit"], None)
