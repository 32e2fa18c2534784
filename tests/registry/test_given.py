"""An error stands at what the caller wrote, and only a valid config gets through a door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest

import typedvision as tv
from typedvision.architecture.summary import summarize
from typedvision.config.base import Builds, Config, ModelConfig
from typedvision.config.problems import Conflict
from typedvision.errors import ConfigError, Problem
from typedvision.families.resnet.config import ResNetConfig
from typedvision.registry import index

VIT = "vit_tiny_patch16_224"
CONFIG: Any = tv.configure(VIT)  # a config of a class that no type checker knows
WAYS: list[Callable[..., object]] = [
    lambda **options: tv.create_model(VIT, **options),
    lambda **options: tv.create_backbone(VIT, **options),
    lambda **options: tv.configure(VIT, **options),
    lambda **options: tv.family("vit").configure(VIT, **options),
    lambda **options: tv.specify(VIT, **options),
    lambda **options: tv.specify(VIT).with_options(**options),
    lambda **options: tv.configure(VIT).replace(**options),
    lambda **options: tv.create_model(CONFIG, **options),
    lambda **options: tv.create_model(tv.specify(VIT), **options),
]


def problems(call: Callable[[], object]) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        call()
    return caught.value.problems


def paths(call: Callable[[], object]) -> list[str]:
    return [problem.where() for problem in problems(call)]


@pytest.mark.parametrize("way", WAYS)
def test_a_conflict_stands_at_the_options_that_the_caller_wrote(way: Callable[..., object]) -> None:
    assert paths(lambda: way(embed_dim=200)) == ["embed_dim"]
    assert paths(lambda: way(num_heads=5)) == ["num_heads"]
    assert sorted(paths(lambda: way(num_heads=5, embed_dim=201))) == ["embed_dim", "num_heads"]
    (problem,) = problems(lambda: way(embed_dim=200))
    assert problem.value == 200
    assert problem.message.startswith("'num_heads' must divide 'embed_dim' 200 evenly; got 3")


def test_a_document_wrote_all_that_stands_in_it() -> None:
    document = tv.specify(VIT).to_dict()
    document["config"] = {"img_size": 224, "embed_dim": 200}
    assert paths(lambda: tv.ModelSpec.from_dict(document)) == ["config.embed_dim"]
    document["config"] = {"embed_dim": 200, "num_heads": 3}
    assert paths(lambda: tv.ModelSpec.from_dict(document)) == [
        "config.embed_dim",
        "config.num_heads",
    ]


def test_an_option_that_no_message_names_is_found_when_it_is_the_only_one() -> None:
    def conflicts(**options: object) -> list[str]:
        return paths(lambda: tv.configure("resnetv2_50d_gn", **options))

    assert conflicts(stem_chs=33) == ["stem_chs"]
    assert conflicts(stem_chs=33, drop_rate=0.1) == ["norm_layer"]


def test_inside_of_a_nested_config_it_stands_there() -> None:
    arguments = {"attn_layer": "eca", "rd_ratio": 0.5}
    nested = paths(lambda: tv.configure("resnet50", block_args=arguments))
    assert nested == ["block_args.rd_ratio"]


def choices(annotation: object) -> Iterator[object]:
    for argument in get_args(annotation):
        yield from [argument] if isinstance(argument, str) else choices(argument)


@pytest.mark.parametrize("key", index.family_keys())
def test_no_choice_is_called_like_a_field(key: str) -> None:
    """A conflict quotes both: only so is a quoted field known as one."""
    fields = index.family(key).config_type().model_fields
    named = {choice for field in fields.values() for choice in choices(field.annotation)}
    assert not named & set(fields)


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("pretraind", "pretrained"),
        ("devise", "device"),
        ("checkpoint", "checkpoint_path"),
        ("num_clases", "num_classes"),
        ("ofline", "offline"),
    ],
)
@pytest.mark.parametrize("call", [tv.create_model, tv.create_backbone])
def test_a_keyword_of_the_call_is_suggested(
    call: Callable[..., object], option: str, meant: str
) -> None:
    (problem,) = problems(lambda: call("resnet50", **{option: 1}))
    assert problem.suggestions == (meant,)
    assert problem.message == f"no such option; did you mean '{meant}'?"


def test_a_keyword_is_suggested_where_it_is_one() -> None:
    (problem,) = problems(lambda: tv.create_backbone("resnet50", out_index=(1,)))
    assert problem.suggestions == ("out_indices",)
    (problem,) = problems(lambda: tv.create_model("resnet50", out_index=(1,)))
    assert problem.suggestions == ()
    (problem,) = problems(lambda: tv.configure("resnet50", pretraind=True))
    assert problem.suggestions == ()
    (problem,) = problems(lambda: tv.configure("resnet50", pretrained=True))
    assert problem.message == "no such option; create_model takes it"
    (problem,) = problems(lambda: tv.create_model("resnet50", out_indices=(1,)))
    assert problem.message == "no such option; create_backbone takes it"


GOOD = tv.family("resnet").variants["resnet50"]
BAD: list[ModelConfig] = [
    GOOD.model_copy(update={"layers": (1, 2)}),
    GOOD.model_copy(update={"in_chans": "3"}),
    GOOD.model_copy(update={"colour": "red"}),
    ResNetConfig.model_construct(layers=(1, 2)),
    ResNetConfig.model_construct(),
]
# Any: the doors take different things, and give different ones.
DOORS: list[Callable[[Any], object]] = [
    tv.create_model,
    tv.create_backbone,
    tv.specify,
    summarize,
    tv.family("resnet").build,
    tv.ModelSpec.from_config,
    lambda config: tv.ModelSpec(family="resnet", config=config),
    lambda config: tv.create_model(tv.specify("resnet50").model_copy(update={"config": config})),
    lambda config: tv.create_backbone(tv.specify("resnet50").model_copy(update={"config": config})),
    lambda config: tv.BackboneSpec(
        model=tv.specify("resnet50").model_copy(update={"config": config}), out_indices=(0,)
    ),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("config", BAD, ids=str)
def test_no_door_takes_a_config_that_nothing_validated(
    door: Callable[[Any], object], config: ModelConfig
) -> None:
    found = problems(lambda: door(config))
    assert {problem.kind for problem in found} <= {"missing", "type", "unknown"}


def test_a_valid_config_may_come_by_any_way() -> None:
    config = GOOD.model_copy(update={"layers": (1, 1, 1, 1)})
    assert tv.specify(config).config == GOOD.replace(layers=(1, 1, 1, 1))
    assert config.checked() is not config
    assert GOOD.checked() is GOOD


@pytest.mark.parametrize(
    "model",
    [
        "resnet50",
        tv.specify("resnet50"),
        GOOD,
        GOOD.model_copy(update={"layers": (1, 1, 1, 1)}),
    ],
)
def test_a_config_is_validated_once(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ResNetConfig] = []

    def conflicts(self: ResNetConfig) -> Iterator[Conflict]:
        seen.append(self)
        return iter(())

    monkeypatch.setattr(ResNetConfig, "conflicts", conflicts)
    tv.create_model(model, device="meta", num_classes=3)
    assert len(seen) == 1


def test_what_is_nested_is_validated_too() -> None:
    class Nested(Config):
        width: int = 1

    class Outer(ModelConfig, Builds["object"]):
        inner: Nested = Nested()

    bad = Outer(inner=Nested(width=2)).model_copy(
        update={"inner": Nested().model_copy(update={"width": "2"})}
    )
    assert paths(bad.checked) == ["inner.width"]
