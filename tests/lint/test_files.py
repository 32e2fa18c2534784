"""What is found in files, and where."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

import typedvision as tv
from typedvision.lint.files import Finding, lint
from typedvision.lint.sarif import to_sarif


def found(folder: Path, code: str, name: str = "code.py") -> list[str]:
    """The findings in a file, without its name."""
    file = folder / name
    file.write_text(textwrap.dedent(code))
    return [one.line().removeprefix(f"{file}:") for one in lint([str(file)]).findings]


def test_imports_are_followed_and_nothing_else(tmp_path: Path) -> None:
    code = """\
    import typedvision as tv
    from typedvision import create_model as make, models
    from typedvision.models import resnet50
    from typedvision.configs import ResNetConfig
    from elsewhere import create_model

    RATE = 3.0
    rate = 4.0
    rate = 5.0
    tv.create_model("resnet50", drop_rate=RATE)
    tv.create_model("resnet50", drop_rate=rate)
    make(model="resnet50", in_chans=-1)
    tv.models.resnet50.spec(in_chans=0)
    resnet50(10, seed="x")
    models.resnet5O()
    models.tv_resnet50()
    ResNetConfig(block="basic", layers=[1, 1, 1, 0])
    create_model("resnet50", in_chans=0)
    """
    assert found(tmp_path, code) == [
        "10:39: error: drop_rate: must be at most 1.0; got 3.0 [range]",
        "12:33: error: in_chans: must be at least 1; got -1 [range]",
        "13:34: error: in_chans: must be at least 1; got 0 [range]",
        "14:10: error: options are given by keyword [type]",
        "14:19: error: seed: must be an integer; got 'x' [type]",
        "15:1: error: no model 'resnet5O'; did you mean 'resnet50', 'resnet50t' or 'resnet50s'? "
        "[unknown]",
        "16:1: error: the model 'tv_resnet50' is now called 'resnet50.tv_in1k' [renamed]",
        "17:36: error: layers[3]: must be at least 1; got 0 [range]",
    ]


def test_a_name_that_means_something_else_is_left_alone(tmp_path: Path) -> None:
    code = """\
    from typedvision import create_model


    def create_model(name: str, drop_rate: float) -> None: ...


    create_model("resnet50", drop_rate=3.0)
    """
    assert found(tmp_path, code) == []


def test_a_code_base_that_uses_timm(tmp_path: Path) -> None:
    code = """\
    import timm
    from timm.layers import DropPath
    from timm.models import create_model
    from torch import nn

    timm.create_model("resnet50", True, num_classes=10)
    timm.create_model(model_name="resnet50", checkpoint_path="")
    timm.create_model("resnet50", features_only=True, out_indices=(1, 9))
    timm.create_model("resnet50", features_only=False, aa_layer=nn.AvgPool2d)
    timm.create_model("tv_resnet50", pretrained_cfg="a1_in1k", scriptable=True)
    create_model(name, pretrained=True, num_clases=3, **options)
    timm.list_models("resnet*")
    timm.models.resnet.ResNet
    """
    assert found(tmp_path, code) == [
        "2:25: note: timm.layers.DropPath: has no counterpart here [timm]",
        "6:31: error: pretrained: is a keyword here: write pretrained=... [timm]",
        "7:30: error: model_name: is called 'model' here [timm]",
        "8:45: error: features_only: write create_backbone(...) [timm]",
        "8:63: error: 'out_indices' has 9, which the model does not have: choose from 0 ('act1') "
        "to 4 ('layer4') [conflict]",
        "9:45: error: features_only: leave it out, create_model gives no feature levels [timm]",
        "9:61: error: aa_layer: must be 'avg' or 'blur'; got nn.AvgPool2d [choice]",
        "10:19: note: the model 'tv_resnet50' is now called 'resnet50.tv_in1k' [renamed]",
        "10:49: error: pretrained_cfg: no such option; pretrained= takes the tag, and a spec the "
        "preprocessing; did you mean 'pretrained'? [unknown]",
        "10:71: error: scriptable: no such option; every model exports as it is (export_model) "
        "[unknown]",
        "11:48: error: num_clases: no such option; did you mean 'num_classes'? [unknown]",
        "12:1: note: timm.list_models: here typedvision.list_models; exclude_filters= is exclude=, "
        "module= is family=, pretrained=True is tags=True [timm]",
        "13:1: note: timm.models.resnet.ResNet: here typedvision.families.resnet.model.ResNet "
        "[timm]",
    ]


def test_a_spec_is_looked_at_where_it_is_wrong(tmp_path: Path) -> None:
    text = tv.specify("resnet50").to_json()
    line = text[: text.index('"drop_rate"')].count("\n") + 1
    wrong = text.replace('"drop_rate": 0.0', '"drop_rate": 3').replace('"in_chans"', '"in_chan"')
    place = Path(tmp_path / "place.json")
    place.write_text(wrong)
    findings = lint([str(place)]).findings
    assert {(one.place.line, one.message) for one in findings} >= {
        (line, "config.drop_rate: must be at most 1.0; got 3")
    }
    assert found(tmp_path, '{"name": "something else"}', "package.json") == []
    assert found(tmp_path, '{"schema_version": 1, "family": "resnet"', "cut.json") != []


def test_folders_are_searched(tmp_path: Path) -> None:
    wrong = 'import typedvision as tv\ntv.create_model("resnet5O")\n'
    for name in ("a.py", "inside/b.py", ".hidden/c.py", "env/lib/d.py", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(wrong)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    report = lint([str(tmp_path)])
    assert [Path(one.file).name for one in report.findings] == ["a.py", "b.py"]
    assert (report.files, report.calls, report.named, report.errors()) == (2, 2, 2, 2)


@pytest.mark.parametrize("code", ["import timm\ndef", "timm\0", "\xff timm"])
def test_what_is_no_python_is_an_error(tmp_path: Path, code: str) -> None:
    file = tmp_path / "bad.py"
    file.write_bytes(code.encode("latin-1"))
    (finding,) = lint([str(file)]).findings
    assert finding.kind == "syntax"
    assert finding.message.startswith("is no Python: ")


def test_sarif_has_a_rule_for_each_kind(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text('import typedvision as tv\ntv.create_model("resnet50", drop_rate=3.0)\n')
    findings = lint([str(file)]).findings
    log = json.loads(json.dumps(to_sarif(findings)))
    (run,) = log["runs"]
    (result,) = run["results"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert result["ruleId"] in rules
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 2, "startColumn": 39, "endLine": 2, "endColumn": 42}
    assert isinstance(findings[0], Finding)
