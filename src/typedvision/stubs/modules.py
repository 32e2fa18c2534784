"""Whole stubs: of a namespace of variants, and of the factory with an overload for each family."""

from __future__ import annotations

import ast
import inspect
import keyword
import re
import textwrap
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import ForwardRef, get_args

from typedvision import factory
from typedvision.config.base import Config, ModelConfig
from typedvision.registry.backbone import BackboneSpec
from typedvision.registry.family import AnyFamily
from typedvision.registry.spec import ModelSpec
from typedvision.stubs.options import (
    SHOWN,
    Keyword,
    Names,
    keywords,
    nested_configs,
    options,
    source,
    split_doc,
    type_source,
)

_INDENT, _WIDTH = " ", 99  # small: an editor reads a stub whole before its first answer

CountParams = Callable[[AnyFamily, str], int]
"""The number of parameters of a family's variant."""


def models_stub(
    families: Sequence[AnyFamily],
    head: str,
    count: CountParams | None = None,
    *,
    classes: str | None = None,
) -> str:
    """The stub of a module in which each variant of the families is a callable object.

    Args:
        families: the families whose variants the module has.
        head: first line of the stub.
        count: the number of parameters of a family's variant; without it none is told.
        classes: the module whose stub `classes_stub` is; without it the classes stand here, and
            an editor offers them beside the variants.
    """
    body = [] if classes else _classes(families)
    body += [_variants(family, count) for family in families]
    homes = dict.fromkeys(map(_class_name, families), classes) if classes else {}
    return _module(head, body, homes)


def classes_stub(families: Sequence[AnyFamily], head: str) -> str:
    """The stub of a module with the classes of the families' variants."""
    return _module(head, _classes(families))


def configs_stub(families: Sequence[AnyFamily], head: str) -> str:
    """The stub of a module with the classes of the families' configs."""
    classes = sorted((family.config_type() for family in families), key=lambda one: one.__name__)
    return "\n".join(
        [
            head,
            *(f"from {one.__module__} import {one.__name__} as {one.__name__}" for one in classes),
            "",
        ]
    )


def _classes(families: Sequence[AnyFamily]) -> list[str]:
    return [
        _SHARED,
        *(text for family in families for text in _family_classes(family)),
    ]


_SHARED = f'''_TagT = TypeVar("_TagT", bound=str | bool)
_SelfT = TypeVar("_SelfT")
_ResultT = TypeVar("_ResultT")
_P = ParamSpec("_P")

def _with_options_of(
{_INDENT}method: Callable[Concatenate[_SelfT, _P], object],
) -> Callable[[Callable[..., _ResultT]], Callable[Concatenate[_SelfT, _P], _ResultT]]: ...

@type_check_only
class _Variant(Generic[_TagT]):
{_INDENT}@property
{_INDENT}def name(self) -> str: ...
{_INDENT}@property
{_INDENT}def tags(self) -> tuple[str, ...]:
{_INDENT * 2}"""The tags of the published weights, the default first."""'''
"""What the classes of all families share."""


def _family_classes(family: AnyFamily) -> list[str]:
    """The class of a family's variants, and a protocol for each config that their config nests."""
    names = _nested_names(family)
    protocols = [_protocol(config, names) for config in nested_configs(family.config_type())]
    return [*protocols, _variant_class(family, names)]


def _nested_names(family: AnyFamily) -> Names:
    """The configs that a family's config nests, with the names of their protocols."""
    nested = nested_configs(family.config_type())
    return {each: f"{_stem(family)}{each.__name__}" for each in nested}


def _protocol(config: type[Config], names: Names) -> str:
    """The source text of a protocol that a config class alone satisfies.

    It stands for the class where a call takes one, because pyright works through Pydantic's base
    class again after each edit, a tenth of a second, as soon as a signature that it looks at
    names a class of that kind.
    """
    doc = f"A `{type_source(config)}`."
    lines = ["@type_check_only", f"class {names[config]}(Protocol):", f"{_INDENT}{_docstring(doc)}"]
    for name, field in config.model_fields.items():
        type_ = type_source(field.annotation, names)
        if "object" not in type_:  # a type without source text asks for nothing
            lines += [f"{_INDENT}@property", f"{_INDENT}def {name}(self) -> {type_}: ..."]
    return "\n".join(lines)


def factory_stub(families: Sequence[AnyFamily], head: str, *, classes: str) -> str:
    """The stub of `typedvision.factory`: its own public functions, with the options spelled out.

    A function that takes the name of a variant has an overload for each family, with the family's
    class as its result; the last one is for a name that is known only at run time. `create_model`
    spells the options of each family out; the others leave them to `models.NAME.backbone` and
    `models.NAME.config`, since a stub with every option three times is slow to read.

    Args:
        families: the families with an overload.
        head: first line of the stub.
        classes: the module whose stub `classes_stub` is.
    """
    tree = ast.parse(inspect.getsource(factory))
    body = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Assign)]
    body += [f"{_OWN}: Any", *(_protocol(spec, _SPEC_NAMES) for spec in _SPECS)]
    body += [f"{_names_alias(family)}: TypeAlias = {_names(family)}" for family in families]
    functions: dict[str, list[ast.FunctionDef]] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            functions.setdefault(node.name, []).append(node)
    results = {
        "create_model": model_source,
        "create_backbone": backbone_source,
        "configure": config_source,
    }
    for name, nodes in functions.items():
        if name in results:
            body += _overloads(getattr(factory, name), nodes, families, results[name])
        else:
            body += [_as_it_is(node) for node in nodes]
    homes = {name: classes for family in families for name in _nested_names(family).values()}
    return _module(head, body, homes)


_OWN = "_OWN"
"""The name of the default that a variant or a config has itself."""
_SPECS = (ModelSpec, BackboneSpec)
"""The classes that the factory takes instead of a name."""
_SPEC_NAMES: Names = {spec: f"_{spec.__name__}" for spec in _SPECS}
"""The names of the protocols for the classes that the factory takes."""


def model_source(family: AnyFamily) -> str:
    """Source text of the class of a family's models."""
    model = _type_arguments(family)[1]
    if isinstance(model, type):
        return type_source(model)
    package, _, module = family.__module__.rpartition(".")
    name = model.__forward_arg__ if isinstance(model, ForwardRef) else str(model)
    return f"{package}.model.{name}" if module == "family" else f"{family.__module__}.{name}"


def backbone_source(family: AnyFamily) -> str:
    """Source text of the class of a family's backbones."""
    return f"typedvision.architecture.backbone.Backbone[{model_source(family)}]"


def config_source(family: AnyFamily) -> str:
    """Source text of the class of a family's configs."""
    return type_source(family.config_type())


def attribute_names(family: AnyFamily) -> list[str]:
    """The names of a family's variants that can be attributes, sorted."""
    names = sorted(family.variants)
    return [name for name in names if name.isidentifier() and not keyword.iskeyword(name)]


def _variant_class(family: AnyFamily, names: Names) -> str:
    """The class of a family's variants, generic in the tags of a variant."""
    fields = options(family.config_type(), family.variants.values(), names)
    create = [
        replace(each, type="Literal[False] | _TagT") if each.name == "pretrained" else each
        for each in keywords(factory.create_model)
    ]
    levels = [
        create[0] if each.name == "pretrained" else each
        for each in keywords(factory.create_backbone)
    ]
    call = _listed(f"A {family.title} model; see `create_model`.", [*create, *fields])
    backbone = _listed("A backbone; see `create_backbone`, and a call for the options.", levels[:2])
    other = "This variant with other options"
    config_type, spec_type = config_source(family), "typedvision.registry.spec.ModelSpec"
    methods = [
        _function("__call__", "self", [*create, *fields], model_source(family), call),
        _function("backbone", "self", [*levels, *fields], backbone_source(family), backbone),
        _function("config", "self", fields, config_type, _listed(f"{other}.", fields)),
        "@_with_options_of(config)",
        _function("spec", "self", (), spec_type, f"{other}, those of `config`.", rest=True),
    ]
    lines = [
        "@type_check_only",
        f"class {_class_name(family)}(_Variant[_TagT]):",
        f'{_INDENT}"""A published variant of {family.title} ({family.paper})."""',
        "",
        textwrap.indent("\n".join(methods), _INDENT),
    ]
    return "\n".join(lines)


def _variants(family: AnyFamily, count: CountParams | None) -> str:
    lines = []
    for name in attribute_names(family):
        tags = [tag for tag in family.tags(name) if family.weights(name, tag).repository]
        default = [True] if tags[:1] == list(family.tags(name)[:1]) else []
        type_ = f"Literal[{', '.join(map(source, [*default, *tags]))}]" if tags else "Never"
        facts = [family.title, *([f"{count(family, name):,} parameters"] if count else [])]
        lines.append(f"{name}: Final[{_class_name(family)}[{type_}]]")
        text = ", ".join([*facts, family.paper])
        if not tags:
            text += "\n\nNo weights are published."
        elif len(tags) >= SHOWN:
            text += f"\n\nWeights: {', '.join(tags)}."
        lines.append(_docstring(text))
    return "\n".join(lines)


def _overloads(
    function: Callable[..., object],
    nodes: list[ast.FunctionDef],
    families: Sequence[AnyFamily],
    result: Callable[[AnyFamily], str],
) -> Iterator[str]:
    """The signatures of a function, an overload for each family before the last of them."""
    *early, last = nodes[:-1] or nodes  # the implementation has no signature of its own
    first, spelled = last.args.args[0].arg, function is factory.create_model
    defaults = zip(last.args.kwonlyargs, last.args.kw_defaults, strict=True)
    written = {keyword.arg: ast.unparse(value) for keyword, value in defaults if value}
    own = [replace(each, default=written[each.name]) for each in keywords(function)]
    common = _named_defaults(options(ModelConfig, ()))
    summary, _, _ = split_doc(function).before.partition("\n")

    def overload(type_: str, known: list[Keyword], returns: str, doc: str) -> str:
        name = f"{first}: {type_}"
        return "@overload\n" + _function(
            function.__name__, name, known, returns, doc, rest=not spelled
        )

    def given(node: ast.FunctionDef) -> str:
        annotation, returns = node.args.args[0].annotation, node.returns
        assert annotation  # the house's functions are typed
        assert returns
        type_ = ast.unparse(annotation)
        for spec in _SPECS:
            type_ = re.sub(rf"\b{spec.__name__}\b", _SPEC_NAMES[spec], type_)
        known = [*own, *common]
        return overload(type_, known, ast.unparse(returns), _document(function, known))

    def named(family: AnyFamily) -> str:
        if not spelled:
            return overload(_names_alias(family), own, result(family), summary)
        names = _nested_names(family)
        known = options(family.config_type(), family.variants.values(), names)
        known = _named_defaults(known)
        doc = _listed(summary, known)
        return overload(_names_alias(family), [*own, *known], result(family), doc)

    yield from map(given, early)
    yield from map(named, families)
    yield given(last)


def _named_defaults(known: Iterable[Keyword]) -> list[Keyword]:
    """Keywords with a name for a default that is not told.

    For each overload with a `...` pyright reads the function itself before it shows a signature.
    """
    return [replace(each, default=_OWN) if each.default == "..." else each for each in known]


def _as_it_is(node: ast.FunctionDef) -> str:
    doc = _docstring(ast.get_docstring(node) or "")
    node.body = [ast.Expr(ast.Constant(...))]
    head = ast.unparse(node).removesuffix("\n    ...")
    return f"{head}\n{textwrap.indent(doc, _INDENT)}"


def _function(
    name: str,
    first: str,
    keywords: Sequence[Keyword],
    returns: str,
    doc: str,
    *,
    rest: bool = False,
) -> str:
    """The source text of a function; `rest` lets it take any keyword beside those that it names."""
    parameters = [first, *(["*"] if keywords else [])]
    parameters += [f"{each.name}: {each.type} = {each.default}" for each in keywords]
    parameters += ["**options: object"] if rest else []
    head = f"def {name}({', '.join(parameters)}) -> {returns}:"
    if len(head) > _WIDTH:
        head = "\n".join([f"def {name}(", *_filled(parameters), f") -> {returns}:"])
    return f"{head}\n{textwrap.indent(_docstring(doc), _INDENT)}"


def _filled(parameters: Iterable[str]) -> list[str]:
    """The lines of a function's parameters."""
    lines = [_INDENT]
    for parameter in parameters:
        if len(lines[-1]) + len(parameter) > _WIDTH and lines[-1] != _INDENT:
            lines.append(_INDENT)
        lines[-1] += f"{parameter}, "
    return [line.rstrip() for line in lines]


def _document(function: Callable[..., object], known: Sequence[Keyword]) -> str:
    """A function's docstring with the text of these keywords."""
    doc = split_doc(function)
    name, text = next(iter(doc.arguments.items()))
    given = Keyword(name, "", "", text)
    return f"{_listed(doc.before, [given, *known])}\n\n{doc.after}".rstrip()


def _listed(before: str, known: Sequence[Keyword]) -> str:
    """A text, and the text of keywords.

    Each keyword has one line, however long: pyright shows only the first line of each.
    """
    return "\n".join([before, "", "Args:", *(f"  {each.name}: {each.doc}" for each in known)])


def _docstring(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    end = "\n" if "\n" in text else ""
    return f'"""{escaped}{end}"""'


def _module(head: str, body: Sequence[str], homes: Mapping[str, str] = MappingProxyType({})) -> str:
    """A whole stub; `homes` has the modules of names that it uses, beside the usual ones."""
    text = "\n\n".join(body)
    usual = dict.fromkeys([*typing.__all__, "type_check_only"], "typing") | _factory_imports()
    homes = {**usual, **homes}
    nodes = list(_names_in(ast.parse(text)))
    sources: dict[str, set[str]] = {}  # the modules that have a name, "" for the stub and builtins
    for node in nodes:
        module, _, name = ast.unparse(node).rpartition(".")
        sources.setdefault(name, set()).add(module or homes.get(name, ""))
    modules: set[str] = set()
    members: dict[str, set[str]] = {}
    lines = text.encode().split(b"\n")  # the columns of a syntax tree count bytes
    for node in reversed(nodes):
        module, _, name = ast.unparse(node).rpartition(".")
        if module and not (name[0].isupper() and len(sources[name]) == 1):
            modules.add(module)  # a function's name, or one that stands for two things
        elif home := module or homes.get(name, ""):
            members.setdefault(home, set()).add(name)
            line = lines[node.lineno - 1]
            short = line[: node.col_offset] + name.encode() + line[node.end_col_offset :]
            lines[node.lineno - 1] = short
    imports = [
        *(f"import {module}" for module in sorted(modules)),
        *(f"from {home} import {', '.join(sorted(members[home]))}" for home in sorted(members)),
    ]
    return "\n\n".join([head, "\n".join(imports), b"\n".join(lines).decode()]) + "\n"


def _names_in(node: ast.AST) -> Iterator[ast.Name | ast.Attribute]:
    """The names in a syntax tree, with the dots before them, in the order of the text."""
    if isinstance(node, ast.Name | ast.Attribute):
        yield node
    else:
        for child in ast.iter_child_nodes(node):
            yield from _names_in(child)


def _factory_imports() -> dict[str, str]:
    """The names that the factory imports, also for its types alone, with their modules."""
    return {
        alias.name: node.module
        for node in ast.walk(ast.parse(inspect.getsource(factory)))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def _names(family: AnyFamily) -> str:
    rows = _filled(map(source, sorted(family.variants)))
    return "\n".join(["Literal[", *rows, "]"])


def _names_alias(family: AnyFamily) -> str:
    return f"_{_stem(family)}Name"


def _class_name(family: AnyFamily) -> str:
    return f"{_stem(family)}Variant"


def _stem(family: AnyFamily) -> str:
    return model_source(family).rpartition(".")[2]


def _type_arguments(family: AnyFamily) -> tuple[object, ...]:
    """`(Config, Model)` of `class TheFamily(ModelFamily[Config, Model])`."""
    for cls in family.__mro__:
        for base in cls.__dict__.get("__orig_bases__", ()):
            if len(get_args(base)) == 2 and not isinstance(get_args(base)[0], typing.TypeVar):
                return get_args(base)
    raise AssertionError("the metaclass refuses a family without a config")
