"""What is wrong with a call whose arguments are literals; imports no torch, runs nobody's code.

The mypy plugin and `typedvision lint` both ask here. The answer is the library's own validation of
the same arguments: what a call would raise before torch is imported.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from typedvision import factory
from typedvision.config.base import Config, ModelConfig
from typedvision.errors import (
    ConfigError,
    Problem,
    ProblemKind,
    TypedVisionError,
    UnknownNameError,
    UsageError,
    did_you_mean,
)
from typedvision.lint.call import UNKNOWN, Call, Verdict
from typedvision.registry import index
from typedvision.registry.backbone import backbone_spec_for
from typedvision.registry.family import AnyFamily
from typedvision.registry.spec import ModelSpec, config_for, explained, spec_for
from typedvision.stubs.modules import config_source, model_source
from typedvision.stubs.options import nested_configs
from typedvision.weights.fetch import HUB_SCHEME
from typedvision.weights.options import LoadOptions
from typedvision.weights.resolve import published_file, tagged

_COMMON = frozenset(ModelConfig.model_fields)
"""Options whose value a conflict names wherever it depends on it."""


def problems(call: Call) -> tuple[Problem, ...]:
    """What the library would refuse in a call, each at a keyword; an empty path is the model.

    What depends on an argument that is no literal is not told.
    """
    check = _of_config if call.function == "config" else _of_model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old names, and of plug-ins that cannot be loaded
        return tuple(check(call))


def verdict(call: Call) -> Verdict:
    """What the library says of a call, in the words of one line a problem."""
    found = [(str(one.path[0]) if one.path else None, sentence(one)) for one in problems(call)]
    family = None if call.function == "config" else family_named(call.model)
    if family is None:
        return Verdict(None, None, None, found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        variant, _ = index.present_name(str(call.model))
    return Verdict(variant, model_source(family), config_source(family), found)


def sentence(problem: Problem) -> str:
    """A problem in one line, with the place that it is at unless the message names it.

    `layers[3]: is required`.
    """
    named = problem.kind == "conflict" or not problem.path
    if named or problem.message.startswith(str(problem.path[0])):
        return problem.message
    return f"{problem.where()}: {problem.message}"


def family_named(name: object) -> AnyFamily | None:
    """The family of the model that a name means, with or without a tag; None where it is none."""
    if not isinstance(name, str) or name.startswith(HUB_SCHEME):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return index.family_of(index.present_name(name)[0])
        except TypedVisionError:
            return None


def renamed(name: object) -> str | None:
    """What an old name is called now; None where the name is none, or the present one."""
    if not isinstance(name, str) or index.family_key(name.partition(".")[0]):
        return None
    return index.aliases().get(name.partition(".")[0])


def config_class(dotted: str) -> type[Config] | None:
    """The class of configs of this name, of the library's or of a plug-in's; None for any other."""
    if not _OURS.match(dotted):
        return _plugin_configs().get(dotted)
    module, _, name = dotted.rpartition(".")
    try:
        found: object = getattr(importlib.import_module(module), name, None)
    except (ImportError, AttributeError):
        return None
    return found if isinstance(found, type) and issubclass(found, Config) else None


_OURS = re.compile(r"typedvision\.(configs|config\.[\w.]+|families\.\w+\.config)\.\w+")


@cache
def _plugin_configs() -> Mapping[str, type[Config]]:
    """The configs of the plug-ins' families, and those inside of them, by their dotted names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plugins = [family.config_type() for family in index.plugin_families()]
    known = (each for config in plugins for each in (config, *nested_configs(config)))
    return {f"{each.__module__}.{each.__qualname__}": each for each in known}


@dataclass(frozen=True, slots=True)
class _Given:
    """The options of a call, those that are literals apart from those that are not."""

    literals: dict[str, object]
    """What is validated. An unknown option is among them, whatever its value."""
    hidden: frozenset[str]
    """Fields whose value only the run time knows."""
    whole: bool

    @classmethod
    def of(cls, options: Mapping[str, object], config: type[Config], whole: bool) -> _Given:
        known_fields = config.model_fields
        hidden = frozenset(
            n for n, value in options.items() if value is UNKNOWN and n in known_fields
        )
        known = {name: value for name, value in options.items() if name not in hidden}
        plain = {name: None if value is UNKNOWN else value for name, value in known.items()}
        return cls(plain, hidden, whole)

    def certain(self, found: Problem) -> bool:
        """Whether a problem stands whatever the options are that only the run time knows."""
        if found.kind == "missing" and len(found.path) == 1:
            return self.whole and not self.hidden.intersection(found.path)
        if found.kind == "conflict":
            named = any(f"'{name}'" in found.message for name in self.hidden)
            return self.whole and self.hidden <= _COMMON and not named
        return True


def _of_config(call: Call) -> Iterator[Problem]:
    config = config_class(str(call.model))
    if config is None:
        return
    given = _Given.of(call.keywords, config, call.whole)
    try:
        config.from_options(given.literals)
    except ConfigError as error:
        yield from (problem for problem in error.problems if given.certain(problem))


def _of_model(call: Call) -> Iterator[Problem]:
    """The problems of a call that takes a model, in the order in which the library looks."""
    keywords = _KEYWORDS.get(call.function, {})
    own = {name: value for name, value in call.keywords.items() if name in keywords}
    options = {name: value for name, value in call.keywords.items() if name not in keywords}
    refused, loading = _loading(own)
    yield from refused
    if isinstance(call.model, str) and call.model.startswith(HUB_SCHEME):
        return  # the hub says what model it is
    if call.model is UNKNOWN:
        yield from _of_no_family(options, keywords)
        return
    try:
        model = call.model
        if isinstance(loading.pretrained, str):
            model = tagged(model, loading.pretrained)
    except UsageError as error:
        yield Problem(("pretrained",), "value", error.summary, loading.pretrained)
        return
    family = family_named(model)
    config = family.config_type() if family else ModelConfig
    given = _Given.of(options, config, call.whole)
    try:
        if isinstance(model, str):
            config_for(model, given.literals)
        else:
            spec_for(model, given.literals)
    except ConfigError as error:
        found = explained(error, keywords).problems
        yield from (problem for problem in found if given.certain(problem))
        return
    except TypedVisionError as error:
        at = () if model == call.model else ("pretrained",)
        yield Problem(at, _kind(error), error.summary, model, (), _suggestions(error))
        return
    if loading.pretrained and own.get("checkpoint_path") is None:
        yield from _of_weights(spec_for(model, given.literals))
    if call.function == "create_backbone":
        levels = _of_levels(spec_for(model, given.literals), own)
        yield from (problem for problem in levels if given.certain(problem))


_KEYWORDS: Mapping[str, Mapping[str, object]] = {
    function.__name__: function.__kwdefaults__ or {}
    for function in (factory.create_model, factory.create_backbone)
}
"""What the functions that build a model take beside the options of a config, with defaults."""
_LOADING = ("pretrained", "checkpoint_path", "seed", "offline", "cache_dir")
"""The keywords of a loader whose literals can be validated."""


def _loading(own: Mapping[str, object]) -> tuple[list[Problem], LoadOptions]:
    """What is wrong with the keywords of the loader, and those that can be gone on with."""
    right: dict[str, object] = {}
    found = []
    for name in _LOADING:
        value = own.get(name, UNKNOWN)
        if value is not UNKNOWN:
            try:
                _load_options({name: value})
                right[name] = value
            except UsageError as error:
                message = error.summary.removeprefix(f"{name} ")
                found.append(Problem((name,), "type", message, value))
    try:
        return found, _load_options(right)
    except UsageError as error:  # two of them make no sense together
        path = right.pop("checkpoint_path")
        found.append(Problem(("checkpoint_path",), "conflict", error.summary, path))
        return found, _load_options(right)


def _load_options(given: Mapping[str, object]) -> LoadOptions:
    defaults = {each.name: _KEYWORDS["create_model"][each.name] for each in fields(LoadOptions)}
    values: dict[str, Any] = {**defaults, **given}
    return LoadOptions(**values)


def _of_no_family(options: Mapping[str, object], keywords: Iterable[str]) -> Iterator[Problem]:
    """The options that no family has, whatever the model is."""
    known = index.options()
    for name, value in options.items():
        if name not in known:
            given = None if value is UNKNOWN else value
            near = did_you_mean(name, known)
            problem = Problem((name,), "unknown", "no such option", given, (), near)
            yield from explained(ConfigError("", [problem]), keywords).problems


def _of_weights(spec: ModelSpec) -> Iterator[Problem]:
    """The problem of weights that nobody has published."""
    try:
        published_file(spec)
    except TypedVisionError as error:
        yield Problem(("pretrained",), _kind(error), error.summary, True, (), _suggestions(error))


def _of_levels(spec: ModelSpec, own: Mapping[str, object]) -> Iterator[Problem]:
    """The problems of a backbone's feature levels."""
    literals = {name: None if value is UNKNOWN else value for name, value in own.items()}
    try:
        backbone_spec_for(spec, literals.get("out_indices"), literals.get("output_fmt"))
    except ConfigError as error:
        yield from error.problems


def _kind(error: TypedVisionError) -> ProblemKind:
    return "unknown" if isinstance(error, UnknownNameError) else "value"


def _suggestions(error: TypedVisionError) -> tuple[str, ...]:
    return error.problems[0].suggestions if error.problems else ()
