"""Small models and their inputs, made once for all tests of a family."""

from __future__ import annotations

import copy
from functools import lru_cache

import torch
from torch import Tensor

import typedvision as tv
from tests.contract.conftest import image_size
from tests.contract.filling import fill, randn
from typedvision.architecture.image_model import ImageModel
from typedvision.config.base import ModelConfig
from typedvision.layers.init import initialize
from typedvision.registry.spec import ModelSpec

MADE = 16  # models that are kept: more than one family's


def filled(cfg: ModelConfig, **options: object) -> ImageModel:
    """A model in double precision, none of whose weights is trivial."""
    return copy.deepcopy(shared(cfg, **options))


def shared(cfg: ModelConfig, **options: object) -> ImageModel:
    """`filled`, for a test that changes nothing: all get the same one, in evaluation mode."""
    return _filled(tv.specify(cfg, **options))


def fresh(cfg: ModelConfig, **options: object) -> ImageModel:
    """A model with the initial weights of seed 0."""
    return copy.deepcopy(_fresh(tv.specify(cfg, **options)))


@lru_cache(maxsize=MADE)
def _filled(spec: ModelSpec) -> ImageModel:
    model = unfilled(spec)
    fill(model)
    return model


def unfilled(spec: ModelSpec) -> ImageModel:
    """A model in double precision and evaluation mode whose parameters have no values yet."""
    model = tv.create_model(spec, dtype=torch.float64, device="meta").to_empty(device="cpu")
    initialize(model, 0, model.initializers, only=[key for key, _ in model.named_buffers()])
    return model.eval()


@lru_cache(maxsize=MADE)
def _fresh(spec: ModelSpec) -> ImageModel:
    return tv.create_model(spec, seed=0)


def backbone_of(cfg: ModelConfig, *indices: int, **options: object) -> tv.Backbone[ImageModel]:
    """A backbone in double precision with the weights of `filled(cfg)`."""
    spec = tv.BackboneSpec(model=tv.specify(cfg), out_indices=indices)
    return copy.deepcopy(_filled_backbone(spec.replace(**options)))


@lru_cache(maxsize=MADE)
def _filled_backbone(spec: tv.BackboneSpec) -> tv.Backbone[ImageModel]:
    backbone = tv.create_backbone(spec, dtype=torch.float64, seed=0)
    fill(backbone.model)
    return backbone.eval()


def images(cfg: ModelConfig, count: int = 2) -> Tensor:
    """Random numbers as images, shape (count, C, H, W), in double precision."""
    return randn((count, cfg.in_chans, *image_size(cfg)), seed=1)


def same(one: Tensor, other: Tensor) -> None:
    """Two outputs are equal, up to what the order of sums does in double precision."""
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
