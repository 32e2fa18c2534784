"""Findings as SARIF 2.1.0, the form that code hosts and editors read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from typedvision._version import __version__
from typedvision.lint.files import Finding

_KINDS = {
    "unknown": "There is no such model, tag or option.",
    "missing": "Something that is required is not given.",
    "type": "The value is of another type.",
    "range": "The number is out of bounds.",
    "choice": "The value is none of those that can be chosen.",
    "length": "The list or text is too long or too short.",
    "conflict": "Values that are right one by one cannot go together.",
    "syntax": "The file cannot be read.",
    "value": "The value is wrong in another way.",
    "timm": "timm's way to write it is another.",
    "renamed": "The model has another name now.",
}


def to_sarif(findings: Iterable[Finding]) -> dict[str, object]:
    """The SARIF log of findings."""
    driver = {
        "name": "typedvision",
        "version": __version__,
        "rules": [
            {"id": kind, "shortDescription": {"text": text}} for kind, text in _KINDS.items()
        ],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(one) for one in findings]}],
    }


def _result(finding: Finding) -> dict[str, object]:
    line, column, end_line, end_column = finding.place
    region = {
        "startLine": line,
        "startColumn": column,
        "endLine": end_line,
        "endColumn": end_column,
    }
    location = {
        "artifactLocation": {"uri": PurePath(finding.file).as_posix()},
        "region": region,
    }
    return {
        "ruleId": finding.kind,
        "level": finding.level,
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": location}],
    }
