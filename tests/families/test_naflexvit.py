"""What is particular to images of any aspect ratio."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from tests.contract.filling import fill, image

SMALL = {"embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 3, "patch_size": 4}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("naflexvit_base_patch16_map", {}),
        ("naflexvit_base_patch16_parfac_gap", {"pos_embed_grid_size": (3, 5)}),
        ("naflexvit_base_patch16_gap", {"global_pool": "avgmax", "pos_embed_grid_size": (3, 5)}),
        ("naflexvit_giant_patch16_radio_v3", {"pos_embed_grid_size": (3, 3)}),
        ("naflexvit_base_patch16_gap", {"rope_type": "dinov3", "pos_embed": "none"}),
        ("naflexvit_base_patch16_map", {"rope_type": "mixed", "swiglu_mlp": True}),
    ],
)
@torch.inference_mode()
def test_images_of_several_sizes_are_as_each_alone(name: str, options: dict[str, object]) -> None:
    model = tv.create_model(name, **SMALL, **options, img_size=16, seed=0).eval()
    images = [torch.randn(3, *size) for size in ((8, 24), (16, 16), (4, 12))]
    patches = tv.Patches.of(images, (4, 4))
    assert patches.valid.sum(1).tolist() == [12, 16, 3]
    together = model.forward_patches(patches)
    alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (
            {},
            [
                [0.84393161, -1.79191191, -0.06621573],
                [1.11560684, -1.510877, 0.64460699],
                [0.20762985, -1.41736399, -2.24993495],
            ],
        ),
        (
            {"attn_layer": "diff", "global_pool": "map", "fc_norm": False},
            [
                [0.36126108, -0.1407016, -0.71957494],
                [0.96310994, 0.59606073, -0.29087062],
                [0.12268673, -0.01734386, 0.20982738],
            ],
        ),
        (
            {
                "pos_embed_use_grid_sample": True,
                "patchify_channels_last": False,
                "pos_embed_ar_preserving": True,
            },
            [
                [-0.25458504, -1.50177058, 0.67793714],
                [0.43172361, -1.60695235, -0.29467581],
                [1.13878054, -1.2717044, -1.18018383],
            ],
        ),
        (
            {
                "pos_embed": "none",
                "rope_type": "dinov3",
                "swiglu_mlp": True,
                "global_pool": "avgmax",
            },
            [
                [0.0914991, -1.42724291, 0.55560947],
                [0.4004592, -0.30625398, 1.19065346],
                [1.76858556, -0.45199795, -2.06487942],
            ],
        ),
    ],
)
@torch.inference_mode()
def test_the_numbers_of_several_sizes_are_those_of_timm(
    options: dict[str, object], wanted: list[list[float]]
) -> None:
    model = tv.create_model("naflexvit_base_patch16_gap", **SMALL, **options, img_size=16, seed=0)
    model = model.double().eval()
    fill(model)
    images = [image((3, height, width))[0] for height, width in ((24, 8), (16, 16), (12, 8))]
    found = model(tv.Patches.of(images, (4, 4)))
    torch.testing.assert_close(found, found.new_tensor(wanted), rtol=1e-6, atol=1e-6)


PADDING: list[tuple[dict[str, object], bool, list[list[float]]]] = [
    (
        {},
        False,
        [
            [-0.01150421, -1.87999946, -1.09293797],
            [0.83548391, -1.49555951, -1.31974288],
            [0.09415862, -1.70477853, -1.49104075],
        ],
    ),
    (
        {},
        True,
        [
            [0.78951133, -1.79419539, -1.32024496],
            [0.83548391, -1.49555951, -1.31974288],
            [0.61171241, -1.36083071, -1.6024646],
        ],
    ),
    (
        {"attn_layer": "diff"},
        False,
        [
            [-0.95396013, 0.57854888, 0.76128927],
            [-0.50684589, 0.44978746, -1.22275607],
            [-0.79118779, 0.92802194, 0.49701076],
        ],
    ),
    (
        {"rope_type": "dinov3", "pos_embed": "none", "swiglu_mlp": True},
        True,
        [
            [0.15747745, -1.97379159, -0.10884172],
            [1.05055401, -0.65148565, -1.74528581],
            [-0.83134665, -0.62070118, -0.3322102],
        ],
    ),
]
"""Options, the value of `use_key_only_attn_mask`, and timm's logits of the last token of each
image, which is padding but for the second."""


@pytest.mark.parametrize(("options", "keys_only", "wanted"), PADDING)
@torch.inference_mode()
def test_the_numbers_of_padding_are_those_of_timm(
    options: dict[str, object], keys_only: bool, wanted: list[list[float]]
) -> None:
    images = [image((3, height, width))[0] for height, width in ((24, 8), (16, 16), (12, 8))]
    patches = tv.Patches.of(images, (4, 4))
    found = {}
    for value in (False, True):
        model = tv.create_model(
            "naflexvit_base_patch16_gap",
            **{**SMALL, **options, "img_size": 16, "global_pool": ""},
            use_key_only_attn_mask=value,
            seed=0,
        )
        fill(model.double().eval())
        found[value] = model(patches)[:, model.num_prefix_tokens :]
    last = found[keys_only][:, -1]
    torch.testing.assert_close(last, last.new_tensor(wanted), rtol=1e-6, atol=1e-6)
    assert torch.equal(*(tokens[patches.valid] for tokens in found.values()))


@torch.inference_mode()
def test_rows_and_columns_are_resampled_from_edge_to_edge() -> None:
    cfg = tv.configure("naflexvit_base_patch16_parfac_gap", **SMALL, img_size=16)
    models = [
        tv.create_model(cfg.replace(pos_embed_align_corners=corners), seed=0).eval()
        for corners in (False, True)
    ]
    images = torch.randn(1, 3, 8, 20)
    assert torch.equal(*(model(images) for model in models))


@pytest.mark.parametrize("rope", ["", "mixed", "dinov3"])
def test_training_leaves_out_patches_of_each_image(rope: str) -> None:
    options = {"rope_type": rope, "patch_drop_rate": 0.5, "img_size": 16}
    model = tv.create_model("naflexvit_base_patch16_gap", **SMALL, **options, seed=0).double()
    patches = tv.Patches.of([torch.rand(3, 16, 16).double(), torch.rand(3, 4, 16).double()], (4, 4))
    seen = []
    model.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args))
    model.train()
    assert model(patches).isfinite().all()
    (x, _, mask), prefix = seen[0], model.num_prefix_tokens
    assert x.shape[1] == mask.shape[-2] == mask.shape[-1] == prefix + 8
    assert mask[:, 0, 0].sum(-1).tolist() == [prefix + 8, prefix + 2]

    whole = model.eval()(patches)
    order = torch.stack([torch.randperm(16) for _ in range(2)])
    model.patch_drop.choose_valid = lambda valid: (order, valid.gather(1, order))
    torch.testing.assert_close(model(patches), whole)  # patches keep their places in any order


def test_images_must_be_of_whole_patches() -> None:
    with pytest.raises(tv.UsageError, match="multiples of 4 x 4"):
        tv.Patches.of([torch.zeros(3, 8, 10)], (4, 4))
    with pytest.raises(tv.UsageError, match="at least one"):
        tv.Patches.of([], (4, 4))


def test_a_convolution_projects_as_the_linear_layer() -> None:
    linear = tv.create_model("naflexvit_base_patch16_map", **SMALL, img_size=16, seed=0).eval()
    cfg = linear.spec.config.replace(embed_proj_type="conv")
    conv = tv.create_model(cfg, seed=0).eval()
    state = linear.state_dict()
    kernel = state["embeds.proj.weight"].reshape(16, 4, 4, 3).permute(0, 3, 1, 2)
    conv.load_state_dict({**state, "embeds.proj.weight": kernel})
    images = torch.randn(1, 3, 8, 12)
    torch.testing.assert_close(conv(images), linear(images))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"global_pool": "token"}, "no such token"),
        ({"img_size": 100}, "must be a multiple"),
        ({"final_norm": False}, "only moves"),
        ({"rope_temperature": 100.0}, "there are no positions"),
        ({"rope_type": "mixed", "rope_grid_offset": 0.5}, "has no effect"),
        ({"rope_type": "axial", "proj_bias": False}, "must be true in the blocks"),
        ({"qkv_fused": False}, "one layer gives"),
        ({"attn_type": "eva", "num_kv_heads": 3}, "have equal heads"),
        ({"attn_type": "rope", "swiglu_align_to": 8}, "means nothing"),
        ({"swiglu_mlp": True, "act_layer": "relu"}, "gates are SiLU's"),
        ({"rope_type": "axial", "attn_layer": "diff"}, "an attention of their own"),
        ({"attn_layer": "diff", "num_heads": 256}, "an even number of features"),
        ({"pos_embed_use_grid_sample": True, "pos_embed_antialias": False}, "no filter"),
        ({"pos_embed_use_grid_sample": True, "pos_embed": "factorized"}, "no filter"),
        ({"patchify_channels_last": False, "embed_proj_type": "conv"}, "takes images"),
        ({"use_key_only_attn_mask": True, "embed_proj_type": "conv"}, "takes images"),
    ],
)
def test_what_cannot_go_together(options: dict[str, object], why: str) -> None:
    assert why in conflict(tv.configure("naflexvit_base_patch16_gap"), options)
