"""A spec is a strict document that rebuilds a model."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import typedvision as tv
from tests.toys import OtherConfig, ToyArgs, ToyConfig, declare
from typedvision.config.strict_json import MAX_NESTING
from typedvision.registry import index
from typedvision.registry.family import RESERVED_OPTIONS


@pytest.fixture(autouse=True)
def toy(registry: None) -> None:
    """A family to write specs of."""
    declare()


def document(**changes: object) -> dict[str, object]:
    """A small valid document with other keys."""
    return {"schema_version": 1, "family": "toy", "config": {}, **changes}


def refused(given: object) -> list[tuple[str, str]]:
    """Where and how a document is refused."""
    text = given if isinstance(given, str | bytes) else json.dumps(given)
    with pytest.raises(tv.SpecError) as caught:
        tv.ModelSpec.from_json(text)
    assert caught.value.summary.endswith((" in the spec", "cannot be read"))
    return [(problem.where(), problem.kind) for problem in caught.value.problems]


def test_the_document_is_written_out_in_full() -> None:
    spec = tv.specify("toy_wide", num_classes=10, in_chans=1)
    assert spec.to_dict() == {
        "schema_version": 1,
        "family": "toy",
        "config": {
            "num_classes": 10,
            "in_chans": 1,
            "drop_rate": 0.0,
            "width": 16,
            "depths": [1, 2],
            "size": 8,
            "global_pool": "avg",
            "args": {"kind": "plain", "rate": 0.0},
        },
        "variant": "toy_wide",
        "tag": None,
        "image": {
            "size": [224, 224],
            "mean": [pytest.approx(0.449)],
            "std": [pytest.approx(0.226)],
            "interpolation": "bicubic",
            "crop_pct": 0.875,
            "crop_mode": "center",
        },
        "metadata": {},
    }


def test_the_digest_is_that_of_the_canonical_form() -> None:
    """A change of this digest is a change of every digest that people keep."""
    spec = tv.ModelSpec(family="toy", config=ToyConfig())
    assert spec.canonical().startswith('{"config":{"args":{"kind":"plain","rate":0.0},"depths":[1')
    digest = "08d1746040ce7e5fdb7df747b617fb75fa050c0c4b4a289a282611f8afc21b26"
    assert spec.digest() == digest


def same_spec(one: tv.ModelSpec, other: tv.ModelSpec) -> bool:
    return one == other and hash(one) == hash(other) and one.digest() == other.digest()


def test_every_way_of_writing_gives_the_same_spec() -> None:
    spec = tv.specify("toy_wide", num_classes=10, drop_rate=1, size=(9, 9), depths=[2, 3])
    options = {"num_classes": 10, "drop_rate": 1.0, "size": 9, "depths": (2, 3)}
    by_config = tv.configure("toy_wide", **options)
    text = spec.to_json()
    shuffled = json.dumps(dict(reversed(json.loads(text).items())))
    for other in (
        tv.specify("toy_wide", **options),
        tv.specify(tv.specify("toy_wide"), **options),
        tv.ModelSpec.from_config(by_config, variant="toy_wide"),
        tv.ModelSpec.from_json(text),
        tv.ModelSpec.from_json(text.encode()),
        tv.ModelSpec.from_json(spec.to_json(indent=None)),
        tv.ModelSpec.from_json(spec.to_json(schema="./spec.schema.json")),
        tv.ModelSpec.from_json(spec.canonical()),
        tv.ModelSpec.from_json(shuffled),
        tv.ModelSpec.from_dict(spec.to_dict()),
        tv.create_model(spec, device="meta").spec,
        tv.create_model("toy_wide", device="meta", **options).spec,
        tv.create_model(spec, seed=0).spec,
    ):
        assert same_spec(other, spec)


@pytest.mark.parametrize(
    "options",
    [{"num_classes": 9}, {"args": {"rate": 0.1}}, {"size": (8, 9)}, {"depths": (1, 3)}],
)
def test_another_model_has_another_spec(options: dict[str, object]) -> None:
    assert tv.specify("toy_wide", **options) != tv.specify("toy_wide")
    assert tv.specify("toy_wide", **options).digest() != tv.specify("toy_wide").digest()


def test_a_spec_is_no_other_thing() -> None:
    spec = tv.specify("toy_wide")
    assert spec != spec.to_dict()
    assert spec != spec.to_json()


def test_fields_that_are_left_out_have_their_defaults() -> None:
    spec = tv.ModelSpec.from_dict(document(config={"width": 9}))
    assert spec.config == ToyConfig(width=9)
    assert (spec.variant, spec.tag, spec.metadata) == (None, None, {})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"famliy": "toy"}, ("famliy", "unknown")),
        ({"config": {"widht": 3}}, ("config.widht", "unknown")),
        ({"config": {"widht": None}}, ("config.widht", "unknown")),
        ({"config": {"args": {"rat": 1}}}, ("config.args.rat", "unknown")),
        ({"config": {"width": "3"}}, ("config.width", "type")),
        ({"config": {"width": 3.0}}, ("config.width", "type")),
        ({"config": {"width": True}}, ("config.width", "type")),
        ({"config": {"width": 10**9}}, ("config.width", "range")),
        ({"config": {"depths": [1, 10**9]}}, ("config.depths[1]", "range")),
        ({"config": []}, ("config", "type")),
        ({"config": None}, ("config", "type")),
        ({"family": "tooy"}, ("family", "unknown")),
        ({"family": "Toy!"}, ("family", "unknown")),
        ({"family": None}, ("family", "type")),
        ({"family": ["toy"]}, ("family", "type")),
        ({"variant": "../toy"}, ("variant", "value")),
        ({"variant": 3}, ("variant", "type")),
        ({"tag": "a1"}, ("tag", "conflict")),
        ({"variant": "toy_wid"}, ("variant", "conflict")),
        ({"variant": "toy_wide", "tag": "a1"}, ("tag", "conflict")),
        ({"tag": "a/b", "variant": "toy_wide"}, ("tag", "value")),
        ({"tag": "a\n", "variant": "toy_wide"}, ("tag", "value")),
        ({"image": {"size": [224]}}, ("image.size[1]", "missing")),
        ({"image": {"mean": [0.5, 0.5]}}, ("image.mean", "conflict")),
        ({"image": {"mean": [0.5, 0.5], "std": [1.0]}}, ("image", "conflict")),
        ({"class_names": ["a"]}, ("class_names", "conflict")),
        ({"class_names": "abc"}, ("class_names", "choice")),
        ({"class_names": 3}, ("class_names", "type")),
        ({"class_names": ["a", 3]}, ("class_names[1]", "type")),
        ({"class_names": ["a", ""]}, ("class_names[1]", "length")),
        ({"class_names": ["a" * 257]}, ("class_names[0]", "length")),
        ({"class_names": ["a", "\x1b[2J"]}, ("class_names[1]", "value")),
        ({"class_names": ["a" * 250] * 4_000}, ("class_names", "value")),
        ({"image": {"file": "x"}}, ("image.file", "unknown")),
        ({"metadata": []}, ("metadata", "type")),
        ({"metadata": None}, ("metadata", "type")),
        ({"$schema": 3}, ("$schema", "type")),
        ({"schema_version": 2}, ("schema_version", "range")),
        ({"schema_version": 0}, ("schema_version", "choice")),
        ({"schema_version": "1"}, ("schema_version", "choice")),
        ({"schema_version": 1.0}, ("schema_version", "type")),
        ({"schema_version": True}, ("schema_version", "type")),
        ({"schema_version": None}, ("schema_version", "choice")),
    ],
)
def test_what_is_wrong_is_found_where_it_is(
    changes: dict[str, object], problem: tuple[str, str]
) -> None:
    assert refused(document(**changes)) == [problem]


@pytest.mark.parametrize("key", ["schema_version", "family", "config"])
def test_what_is_missing_is_missed(key: str) -> None:
    given = document()
    del given[key]
    assert refused(given) == [(key, "missing")]


@pytest.mark.parametrize("given", ["[]", "3", "null", '"toy"', "", "{", b"\x00"])
def test_what_is_no_object_is_refused(given: str | bytes) -> None:
    assert len(refused(given)) == 1


def test_all_problems_come_at_once() -> None:
    given = document(famliy=1, image={"crop_pct": 3}, config={"width": "3", "widht": 3}, tag=3)
    assert set(refused(given)) == {
        ("famliy", "unknown"),
        ("image.crop_pct", "range"),
        ("config.width", "type"),
        ("config.widht", "unknown"),
        ("tag", "type"),
    }


def test_a_newer_version_is_said_alone() -> None:
    assert refused(document(schema_version=2, unheard=1)) == [("schema_version", "range")]


def test_keys_come_once() -> None:
    assert refused('{"schema_version": 1, "family": "toy", "config": {}, "family": "toy"}') == [
        ("(whole)", "syntax")
    ]


@pytest.mark.parametrize("key", sorted(RESERVED_OPTIONS))
def test_no_option_of_a_loader_gets_in(key: str) -> None:
    assert refused(document(**{key: "x"})) == [(key, "unknown")]
    assert refused(document(config={key: "x"})) == [(f"config.{key}", "unknown")]


def test_near_names_are_suggested() -> None:
    with pytest.raises(tv.SpecError) as caught:
        tv.ModelSpec.from_dict(document(family="tooy", metdata={}))
    suggestions = {one.where(): one.suggestions for one in caught.value.problems}
    assert suggestions == {"family": ("toy",), "metdata": ("metadata",)}


def test_a_spec_names_what_its_family_publishes() -> None:
    resnet = tv.specify("resnet50.a1_in1k")
    assert tv.ModelSpec.from_json(resnet.to_json()) == resnet
    for changes, message in (
        ({"variant": "resnet5o"}, "no variant 'resnet5o' of 'resnet'; did you mean 'resnet50'"),
        ({"variant": "toy_wide", "tag": None}, "no variant 'toy_wide' of 'resnet'"),
        ({"tag": "a1_in1"}, "no weights 'a1_in1' of 'resnet50'; did you mean 'a1_in1k'"),
    ):
        with pytest.raises(tv.SpecError) as caught:
            tv.ModelSpec.from_dict(resnet.to_dict() | changes)
        (problem,) = caught.value.problems
        assert problem.path == (next(iter(changes)),)
        assert problem.message.startswith(message)


def test_an_option_of_another_family_is_said_to_be_theirs() -> None:
    with pytest.raises(tv.ConfigError) as caught:
        tv.configure("toy_wide", in_chans=1, aa_layer=None)
    (problem,) = caught.value.problems
    owners = index.owners("aa_layer")
    assert owners
    assert problem.message == f"no such option; accepted by {', '.join(owners)}"


def nested(levels: int) -> object:
    return {"a": nested(levels - 1)} if levels else 0


def test_metadata_is_the_users_own() -> None:
    metadata = {"owner": "me", "scores": [1, 2.5, None, True], "Any Key!": {"x": []}}
    spec = tv.ModelSpec.from_dict(document(metadata=metadata))
    assert spec.metadata == metadata
    assert tv.ModelSpec.from_json(spec.to_json()) == spec
    assert tv.specify(spec, num_classes=3).metadata == metadata
    assert tv.create_model(spec, device="meta").spec.metadata == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        {"x": float("nan")},
        {"x": float("inf")},
        {"x": object()},
        {"x": {1, 2}},
        {3: 4},
        nested(MAX_NESTING),
        {"x": [float("nan")]},
    ],
)
def test_metadata_is_plain_json(metadata: object) -> None:
    with pytest.raises(tv.SpecError) as caught:
        tv.ModelSpec.from_dict(document(metadata=metadata))
    assert {one.path[0] for one in caught.value.problems} == {"metadata"}


def test_metadata_of_any_allowed_depth_comes_back() -> None:
    spec = tv.ModelSpec.from_dict(document(metadata=nested(MAX_NESTING - 1)))
    assert tv.ModelSpec.from_json(spec.to_json()) == spec


def test_a_spec_does_not_change_with_what_it_was_made_of() -> None:
    metadata = {"scores": [1]}
    spec = tv.ModelSpec.from_dict(document(metadata=metadata))
    digest = spec.digest()
    metadata["scores"].append(2)
    assert spec.digest() == digest


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: tv.ModelSpec(family="toy", config=OtherConfig()), "config"),
        (lambda: tv.ModelSpec(family="toy", config=ToyArgs()), "config"),
        (lambda: tv.ModelSpec(family="toy", config=ToyConfig(), tag="a"), "tag"),
        (lambda: tv.ModelSpec(family="toy", config=ToyConfig(), x=1), "x"),
        (lambda: tv.ModelSpec(family="toy"), "config"),
    ],
)
def test_a_spec_made_in_python_is_checked_too(make: Callable[[], tv.ModelSpec], path: str) -> None:
    with pytest.raises(tv.ConfigError) as caught:
        make()
    assert [one.path for one in caught.value.problems] == [(path,)]


def test_a_config_of_no_family_has_no_spec() -> None:
    with pytest.raises(tv.UnknownNameError, match="OtherConfig"):
        tv.ModelSpec.from_config(OtherConfig())


def test_a_variant_that_its_family_lacks_is_named() -> None:
    config = tv.configure("resnet18")
    with pytest.raises(tv.ConfigError, match="no variant 'resnet19' of 'resnet'"):
        tv.ModelSpec.from_config(config, variant="resnet19")
    with pytest.raises(tv.UnknownNameError, match="no weights 'none' of 'resnet18'"):
        tv.ModelSpec.from_config(config, variant="resnet18", tag="none")


def test_the_image_follows_the_config() -> None:
    three = tv.specify("toy_wide")
    assert len(three.image.mean) == 3
    one = tv.specify(three, in_chans=1)
    assert len(one.image.mean) == 1
    assert one == tv.specify("toy_wide", in_chans=1)


def test_names_of_classes_are_said_only_where_there_are_any() -> None:
    plain = tv.specify("toy_wide", num_classes=3)
    named = plain.replace(class_names=["a", "b", "\u732b"])
    assert named.class_names == ("a", "b", "\u732b")
    assert "class_names" not in plain.to_dict()
    assert named.to_dict()["class_names"] == ["a", "b", "\u732b"]
    assert tv.ModelSpec.from_json(named.to_json()) == named
    assert named.digest() != plain.digest()


def test_other_classes_have_other_names() -> None:
    named = tv.specify("toy_wide", num_classes=2).replace(class_names=("a", "b"))
    assert named.with_options(drop_rate=0.5, num_classes=2).class_names == ("a", "b")
    assert named.with_options(num_classes=3).class_names is None


def test_the_most_names_make_a_document_that_is_read() -> None:
    spec = tv.specify("toy_wide", num_classes=75_000).replace(class_names=["name"] * 75_000)
    assert tv.ModelSpec.from_json(spec.to_json()) == spec


def test_the_config_says_how_many_channels_a_image_has() -> None:
    given = document(image={"mean": [0.5], "std": [0.5]}, config={"in_chans": 5})
    spec = tv.ModelSpec.from_dict(given)
    assert spec.image.channels == 5
    assert "channels" not in spec.to_dict()["image"]  # type: ignore[operator]
    assert tv.specify("toy_wide", in_chans=2).image.channels == 2


def test_images_have_the_size_that_a_config_says_where_nothing_else_does() -> None:
    config = tv.configure("halonet26t", img_size=512)  # not fixed, but not every size is possible
    assert config.input_size() is None
    assert tv.specify(config).image.size == (512, 512)


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("test_vit", {}, (160, 160)),
        ("test_vit", {"img_size": 96}, (96, 96)),  # takes any, and is asked for one
        ("test_vit", {"img_size": 160, "num_classes": 3}, (160, 160)),
        ("vit_tiny_patch16_224", {"img_size": (96, 64)}, (96, 64)),
        ("vit_tiny_patch16_224", {"dynamic_img_size": True}, (224, 224)),
        ("xcit_tiny_12_p8_384", {}, (384, 384)),
        ("deepseek_vit_412m.deepseek_v4_flash_vision_exp", {}, (392, 392)),  # made for 546
        ("nfnet_f0", {}, (192, 192)),  # no weights are published
    ],
)
def test_images_have_the_size_that_was_asked_for(
    name: str, options: dict[str, object], size: tuple[int, int]
) -> None:
    spec = tv.specify(name, **options)
    assert spec.image.size == size
    assert tv.ModelSpec.from_json(spec.to_json()) == spec
    assert tv.specify(name).with_options(**options).image == spec.image


def test_a_name_without_weights_has_its_own_preprocessing() -> None:
    assert tv.specify("davit_huge").image == tv.ImageSpec(crop_pct=0.95)
    spec = tv.specify("mobilenetv5_300m_enc", in_chans=1)
    assert spec.image == tv.ImageSpec(size=(768, 768), mean=(0.0,), std=(1.0,), crop_pct=1.0)
