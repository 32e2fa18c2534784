"""What is told of a call: what the run time would say, and nothing that it might not."""

from __future__ import annotations

import subprocess
import sys

import pytest

import typedvision as tv
from typedvision.lint.call import UNKNOWN, Call, Function
from typedvision.lint.validation import config_class, problems, renamed, sentence, verdict

RESNET = "typedvision.families.resnet.config.ResNetConfig"


def said(call: Call) -> list[str]:
    return [sentence(problem) for problem in problems(call)]


REFUSED = {
    "two problems": {"num_clases": 10, "drop_rate": 3.0},
    "conflict": {"global_pool": ""},
    "nested": {"block_args": {"attn_laye": "se"}},
    "length": {"layers": (1, 2)},
    "list": {"layers": [3, 4, 6, 3], "channels": [64]},
}


@pytest.mark.parametrize("options", REFUSED.values(), ids=REFUSED)
def test_a_literal_call_has_the_problems_of_the_run_time(options: dict[str, object]) -> None:
    for function in (tv.create_model, tv.create_backbone, tv.configure, tv.specify):
        with pytest.raises(tv.ConfigError) as caught:
            function("resnet50", **options)
        assert problems(Call(function.__name__, "resnet50", options)) == caught.value.problems


UNKNOWN_OPTIONS = [
    # Whatever the value is, there is no such option, and the others are looked at.
    ({"num_clases": UNKNOWN, "drop_rate": 2}, ["num_clases", "drop_rate"]),
    ({"features_only": UNKNOWN}, ["features_only"]),
    # It may be the value that makes the others right.
    ({"num_classes": UNKNOWN, "global_pool": ""}, []),
    ({"layers": UNKNOWN, "norm_layer": "groupnorm", "stem_width": 20}, []),
    # A conflict that does not name it stands.
    ({"in_chans": UNKNOWN, "global_pool": ""}, ["global_pool"]),
]


@pytest.mark.parametrize(("options", "places"), UNKNOWN_OPTIONS)
def test_what_is_no_literal_is_believed(options: dict[str, object], places: list[str]) -> None:
    found = problems(Call("create_model", "resnet50", options))
    assert sorted(problem.where() for problem in found) == sorted(places)


def test_what_may_come_with_other_options_is_not_told() -> None:
    assert said(Call("create_model", "resnet50", {"global_pool": ""}, whole=False)) == []
    assert said(Call("config", RESNET, {"layers": (1, 1, 1, 1)}, whole=False)) == []
    assert said(Call("config", RESNET, {"block": UNKNOWN, "layers": (1, 1, 1, 0)})) == [
        "layers[3]: must be at least 1; got 0"
    ]


SENTENCES: list[tuple[Function, object, dict[str, object], list[str]]] = [
    ("create_model", "hf-hub:owner/name", {"num_clases": 3}, []),
    (
        "create_model",
        UNKNOWN,
        {"num_clases": 3, "replace_stem_pool": True},
        ["num_clases: no such option; did you mean 'num_classes'?"],
    ),
    ("create_model", "resnet50", {"pretrained": UNKNOWN, "checkpoint_path": "w"}, []),
    (
        "create_model",
        "resnet200",
        {"pretrained": True},
        ["pretrained: no weights are published for 'resnet200'"],
    ),
    (
        "create_model",
        "resnet50",
        {"pretrained": 1.0, "seed": "1"},
        [
            "pretrained: must be a bool, or the tag of published weights; got 1.0",
            "seed: must be an integer; got '1'",
        ],
    ),
    ("create_backbone", "resnet50", {"layers": UNKNOWN, "out_indices": (0, 9)}, []),
    (
        "create_backbone",
        "resnet50",
        {"num_classes": UNKNOWN, "out_indices": (0, 9)},
        [
            "'out_indices' has 9, which the model does not have: choose from 0 ('act1') to 4 "
            "('layer4')"
        ],
    ),
    ("create_model", 3, {}, ["a model is a name, a config or a ModelSpec; got int"]),
    ("specify", "tv_resnet50", {"num_classes": 3}, []),
    ("config", "typedvision.configs.ResNetConfig", {"block": "basic"}, ["layers: is required"]),
    ("config", "somebody.elses.Config", {"block": 3}, []),
]


@pytest.mark.parametrize(("function", "model", "keywords", "sentences"), SENTENCES)
def test_each_problem_has_one_line(
    function: Function, model: object, keywords: dict[str, object], sentences: list[str]
) -> None:
    assert said(Call(function, model, keywords)) == sentences


def test_a_verdict_knows_the_classes() -> None:
    assert verdict(Call("create_model", "tv_resnet50", {"drop_rate": 2})) == (
        "resnet50",
        "typedvision.families.resnet.model.ResNet",
        RESNET,
        [("drop_rate", "drop_rate: must be at most 1.0; got 2")],
    )


def test_old_names_and_classes_of_configs() -> None:
    assert renamed("tv_resnet50") == "resnet50.tv_in1k"
    assert renamed("resnet50") is None
    assert config_class(RESNET) is tv.family("resnet").config_type()
    assert config_class("typedvision.families.resnet.model.ResNet") is None  # it loads torch
    assert config_class("typedvision.families.nothing.config.NoConfig") is None


def test_nothing_loads_torch() -> None:
    code = (
        "import sys; from typedvision.lint.files import lint; lint(['docs/plugin', 'examples']); "
        "assert not {'torch', 'mypy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
