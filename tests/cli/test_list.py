from __future__ import annotations

import json

import typedvision as tv
from tests.cli.running import run, run_on_terminal
from typedvision.registry import index


def test_a_pipe_gets_one_name_a_line() -> None:
    assert run("list").stdout.splitlines() == tv.list_models()


def test_patterns_exclusions_and_options_go_together() -> None:
    arguments = ["resnet5*", "wide_*", "--exclude", "*_gn", "--accepts", "cardinality"]
    assert run("list", *arguments).stdout.splitlines() == tv.list_models(
        ["resnet5*", "wide_*"], exclude=["*_gn"], accepts=["cardinality"]
    )


def test_one_family() -> None:
    assert run("list", "--family", "resnet").stdout.splitlines() == tv.list_models(family="resnet")


def test_tags() -> None:
    names = run("list", "resnet50.*", "--tags").stdout.splitlines()
    assert names == tv.list_models("resnet50.*", tags=True)
    assert json.loads(run("list", "resnet50.*", "--tags", "--json").stdout) == [
        {"name": name, "family": "resnet", "license": index.license_of(name)} for name in names
    ]


def test_licences() -> None:
    arguments = ["list", "--tags", "resnet50.*", "--license", "cc-*", "--license", "mit"]
    names = run(*arguments).stdout.splitlines()
    assert names == tv.list_models("resnet50.*", tags=True, license=["cc-*", "mit"])
    rows = json.loads(run(*arguments, "--json").stdout)
    assert {row["license"] for row in rows} == {"cc-by-nc-4.0"}
    assert "resnet50" in run("list", "--license", "apache-2.0").stdout.splitlines()
    assert run("list", "--license", "APACHE-2.0").stdout == ""


def test_json_has_what_the_index_knows() -> None:
    (row,) = json.loads(run("list", "resnet50", "--json").stdout)
    family = tv.family("resnet")
    assert row == {
        "name": "resnet50",
        "family": "resnet",
        "parameters": 25_557_032,
        "default_tag": next(iter(family.tags("resnet50")), None),
        "license": "apache-2.0",
    }


def test_no_match_is_an_empty_list_and_no_error() -> None:
    result = run("list", "nothing*")
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(run("list", "nothing*", "--json").stdout) == []


def test_a_terminal_gets_a_table() -> None:
    shown = run_on_terminal("list", "resnet50", "resnet50d")
    (heading, *rows) = shown.splitlines()
    assert all(
        word in heading for word in ("name", "family", "parameters", "default_tag", "license")
    )
    assert rows[0].split() == ["resnet50", "resnet", "25,557,032", "a1_in1k", "apache-2.0"]
    assert rows[1].split()[:2] == ["resnet50d", "resnet"]


def test_a_terminal_is_told_that_nothing_matches() -> None:
    assert run_on_terminal("list", "nothing*") == "no model matches\r\n"
