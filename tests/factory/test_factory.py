"""The public calls, as a user makes them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import typedvision as tv
from tests.toys import Toy, ToyConfig, declare
from typedvision.config.weights import PublishedWeights
from typedvision.registry import family as registry_family


@pytest.fixture(autouse=True)
def toy(registry: None) -> None:
    """A family to make models of."""
    declare()


def test_a_model_is_made_from_a_name_a_config_or_a_spec() -> None:
    by_name = tv.create_model("toy_wide", num_classes=3, seed=0)
    config = tv.configure("toy_wide")
    for given in (config, tv.specify(config), config.replace(num_classes=3)):
        model = tv.create_model(given, num_classes=3, seed=0)
        assert isinstance(model, Toy)
        assert torch.equal(model.head.weight, by_name.get_classifier().weight)
    assert by_name.spec.variant == "toy_wide"


@pytest.mark.parametrize("given", [3, None, b"toy_wide", ToyConfig, object(), {"family": "toy"}])
def test_anything_else_is_a_wrong_call(given: object) -> None:
    with pytest.raises(tv.UsageError, match="a model is a name, a config or a ModelSpec; got "):
        tv.create_model(given)  # type: ignore[call-overload]


def test_a_model_above_the_limits_is_refused_before_it_has_memory() -> None:
    count = sum(p.numel() for p in tv.create_model("toy_wide", device="meta").parameters())
    tv.create_model("toy_wide", limits=tv.Limits(params=count))
    with pytest.raises(tv.LimitError) as caught:
        tv.create_model("toy_wide", limits=tv.Limits(params=count - 1), device="meta")
    (problem,) = caught.value.problems
    assert problem == tv.Problem(
        ("params",), "range", f"must be at most {count - 1:,}; 'toy_wide' has {count:,}", count
    )
    with pytest.raises(tv.LimitError):
        tv.create_model(ToyConfig(width=60_000, num_classes=1_000_000))


def test_a_model_goes_where_it_is_told() -> None:
    assert tv.create_model("toy_wide", device="meta").stem.weight.is_meta
    assert tv.create_model("toy_wide", dtype=torch.float64).stem.weight.dtype == torch.float64
    assert tv.create_model("toy_wide", device=torch.device("cpu")).stem.weight.device.type == "cpu"
    with torch.device("meta"):
        assert tv.create_model("toy_wide").stem.weight.is_meta
    torch.set_default_dtype(torch.float64)
    try:
        assert tv.create_model("toy_wide").stem.weight.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_model_is_made_in_inference_mode_too() -> None:
    with torch.inference_mode():
        model = tv.create_model("toy_wide", seed=0)
        assert model(torch.zeros(1, 3, 4, 4)).isfinite().all()
    other = tv.create_model("toy_wide", seed=0)
    assert torch.equal(model.stem.weight, other.stem.weight)


@pytest.mark.parametrize("seed", [0, -1, 2**63, 2**80])
def test_any_integer_is_a_seed(seed: int) -> None:
    one, other = (tv.create_model("toy_wide", seed=seed) for _ in range(2))
    assert torch.equal(one.stem.weight, other.stem.weight)


def test_names_are_listed_as_people_count() -> None:
    names = {
        "toy_2": ToyConfig(),
        "toy_10": ToyConfig(),
        "toy_10b": ToyConfig(),
        "toy_b": ToyConfig(),
    }
    declare(variants=names)
    assert tv.list_models("toy*") == ["toy_2", "toy_10", "toy_10b", "toy_b"]


def test_names_are_filtered() -> None:
    everything = tv.list_models()
    assert everything
    assert len(everything) == len(set(everything))
    assert tv.list_models("toy_*") == ["toy_small", "toy_wide"]
    assert tv.list_models(["toy_s*", "*_wide"], family="toy") == ["toy_small", "toy_wide"]
    assert tv.list_models("toy_*", exclude="*small") == ["toy_wide"]
    assert tv.list_models("toy_*", exclude=["*small", "*wide"]) == []
    assert tv.list_models("Toy_*") == []
    assert tv.list_models("nothing") == []
    assert tv.list_models(accepts="depths", family="toy") == ["toy_small", "toy_wide"]
    assert tv.list_models("toy*", accepts=["depths", "embed_dim"]) == []
    with pytest.raises(tv.UnknownNameError, match="no option 'depth_'; did you mean"):
        tv.list_models(accepts="depth_")
    assert set(tv.list_models(accepts="in_chans")) == set(everything)


def test_names_are_listed_with_their_tags() -> None:
    tagged = tv.list_models(tags=True)
    assert tagged
    names = set(tv.list_models())
    assert {name.partition(".")[0] for name in tagged} <= names
    assert tv.list_models("toy*", tags=True) == []


def test_licences_filter_names() -> None:
    free = tv.list_models(license=["apache-*", "mit"])
    for name in tv.list_models():
        family = tv.family(name)
        license = family.weights(name).license if family.tags(name) else None
        assert (name in free) == (license is not None and license.startswith(("apache-", "mit")))
    restricted = tv.list_models(tags=True, license="cc-by-nc-4.0")
    assert "resnet50.fb_ssl_yfcc100m_ft_in1k" in restricted
    assert "resnet50.a1_in1k" not in restricted
    assert tv.list_models(license="no-such-licence") == []


def test_a_tag_decides_the_classes_and_the_image() -> None:
    for name in tv.list_models(tags=True)[:50]:
        variant, _, tag = name.partition(".")
        published = tv.family(variant).weights(variant, tag)
        spec = tv.specify(name)
        assert (spec.variant, spec.tag) == (variant, tag)
        assert spec.config.num_classes == published.num_classes
        assert spec.image.crop_pct == published.image.crop_pct
        assert tv.specify(name, num_classes=3).config.num_classes == 3


def test_an_unknown_tag_is_refused_with_what_there_is() -> None:
    name = tv.list_models(tags=True)[0]
    variant, _, tag = name.partition(".")
    with pytest.raises(tv.UnknownNameError, match="did you mean") as caught:
        tv.specify(f"{variant}.{tag}x")
    assert tag in caught.value.problems[0].allowed
    assert caught.value.problems[0].suggestions[0] == tag


def test_a_family_is_found_by_its_key_or_a_variant() -> None:
    assert tv.family("toy") is tv.family("toy_wide")
    assert tv.accepts("toy", "width")
    assert tv.accepts("toy_wide", "width")
    assert not tv.accepts("toy_wide", "qkv_bias")
    with pytest.raises(tv.UnknownNameError):
        tv.accepts("nothing", "width")


def test_one_call_makes_one_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A valid config is known to be valid, its plan is kept, and one row of weights is read."""
    calls: Counter[str] = Counter()
    registry_family._weights.cache_clear()

    def count(owner: type, name: str, what: str) -> None:
        method = getattr(owner, name)

        def counted(*arguments: object, **keywords: object) -> object:
            calls[what] += 1
            return method(*arguments, **keywords)

        monkeypatch.setattr(owner, name, counted)

    config = tv.family("resnet50").config_type()
    plans = config.plan.cache_info().misses
    count(config, "conflicts", "config checked")
    count(tv.ModelSpec, "conflicts", "spec made")
    count(PublishedWeights, "conflicts", "weights read")
    model = tv.create_model("resnet50.a1_in1k", device="meta", num_classes=987)
    assert model.spec.tag == "a1_in1k"
    assert calls == {"config checked": 1, "spec made": 1, "weights read": 1}
    assert config.plan.cache_info().misses == plans + 1


def test_a_copy_of_a_model_knows_its_spec() -> None:
    model = tv.create_model("toy_wide", num_classes=3)
    assert tv.create_model(model.spec).spec == model.spec


def test_a_model_that_was_built_by_hand_has_the_spec_of_its_config() -> None:
    config = ToyConfig(width=3)
    assert Toy(config).spec == tv.ModelSpec.from_config(config)


def test_models_are_listed_by_what_they_can_do() -> None:
    declare()
    anything = tv.list_models(input_size="any")
    assert {"toy_small", "resnet50"} <= set(anything)
    assert "vit_base_patch16_224" in tv.list_models(input_size="fixed")
    assert not set(anything) & set(tv.list_models(input_size="fixed"))
    assert tv.list_models("vit_tiny_patch16_224", global_pool="map") == ["vit_tiny_patch16_224"]
    assert tv.list_models("resnet*", global_pool="map") == []
    assert tv.list_models(global_pool="nothing") == []


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("seed", "x", "seed must be an integer; got 'x'"),
        ("seed", True, "seed must be an integer; got True"),
        ("limits", None, r"limits must be Limits\(params=...\); got None"),
        ("pretrained", 1, "pretrained must be a bool, or the tag of published weights; got 1"),
        ("checkpoint_path", 3, "checkpoint_path must be a path; got 3"),
        ("cache_dir", b"x", "cache_dir must be a path; got b'x'"),
        ("offline", None, "offline must be a bool; got None"),
        ("device", "cudda", "device must name one of PyTorch's"),
        ("dtype", "float16", "dtype must be a floating-point type"),
        ("pretrained", 5, "pretrained must be a bool"),
        ("cache_dir", 5, "cache_dir must be a path; got 5"),
        ("device", "cuda:99", "device 'cuda:99' cannot be used here"),
        ("dtype", torch.int64, "dtype must be a floating-point type"),
    ],
)
def test_a_keyword_of_the_factory_is_checked(keyword: str, value: object, message: str) -> None:
    declare()
    with pytest.raises(tv.UsageError, match=message):
        tv.create_model("toy_small", **{keyword: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("ask", [tv.configure, tv.family, lambda name: tv.accepts(name, "depth")])
def test_what_is_no_name_is_told(ask: Callable[[object], object]) -> None:
    for given in (None, 50, tv.specify("test_resnet")):
        with pytest.raises(tv.UsageError, match="a model is called by its name"):
            ask(given)


@pytest.mark.parametrize("file", ["model.safetensors", "folder/model.json"])
def test_a_file_is_no_name(file: str) -> None:
    with pytest.raises(tv.UsageError, match="is a file, not a name: load_model reads a checkpoint"):
        tv.create_model(file)


def test_an_old_way_to_name_the_hub_leads_to_ours() -> None:
    with pytest.raises(tv.UnknownNameError, match="did you mean 'hf-hub:owner/name'") as caught:
        tv.create_model("hf_hub:owner/name")
    assert caught.value.problems[0].suggestions == ("hf-hub:owner/name",)


def test_a_checkpoint_is_opened_before_anything_is_built(tmp_path: Path) -> None:
    too_small = tv.Limits(params=1)
    with pytest.raises(tv.WeightsError, match="nothing"):
        tv.create_model("toy_small", checkpoint_path=tmp_path / "nothing", limits=too_small)


def test_the_peers_keywords_lead_to_the_call_that_does_it_here() -> None:
    with pytest.raises(tv.ConfigError) as caught:
        tv.create_model("test_resnet", features_only=True, out_indices=(1, 2), scriptable=True)
    assert [problem.message for problem in caught.value.problems] == [
        "no such option; feature levels come from create_backbone",
        "no such option; create_backbone takes it",
        "no such option; every model exports as it is (export_model)",
    ]


@pytest.mark.parametrize("options", [{"pattern": 5}, {"exclude": [5]}, {"license": {"mit"}}])
def test_a_list_takes_texts(options: dict[str, Any]) -> None:
    with pytest.raises(tv.UsageError, match="takes a text or several of them"):
        tv.list_models(**options)


LATE = """
import sys
import typedvision as tv
for wrong in ({"limits": 5}, {"dtype": "float32"}, {"checkpoint_path": "/nowhere/at.all"}):
    try:
        tv.create_model("test_resnet", **wrong)
    except tv.TypedVisionError:
        assert "torch" not in sys.modules, wrong
    else:
        raise AssertionError(wrong)
"""


def test_what_needs_no_torch_is_refused_before_it_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


LONG = "x" * 5_000


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: tv.ModelSpec.from_json(None), tv.UsageError),  # type: ignore[arg-type]
        (lambda: tv.load_model(123), tv.UsageError),  # type: ignore[arg-type]
        (lambda: tv.load_model(LONG), tv.WeightsError),
        (lambda: tv.create_model(LONG), tv.UnknownNameError),
        (lambda: tv.Limits(params="x"), tv.UsageError),  # type: ignore[arg-type]
        (lambda: tv.save_model(tv.create_model("test_resnet"), ""), tv.UsageError),
    ],
)
def test_a_bad_argument_is_one_of_our_errors(
    call: Callable[[], object], kind: type[tv.TypedVisionError]
) -> None:
    with pytest.raises(kind):
        call()
