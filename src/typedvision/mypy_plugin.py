"""The mypy plugin: what the library would refuse in a call is an error where it is written.

    [tool.mypy]
    plugins = ["typedvision.mypy_plugin"]

Calls of the factory, of `models.NAME` and of config classes whose arguments are literals are
validated by the library itself, without torch; arguments that are no literals are checked by
their types, as without the plugin. mypy imports this module; the library does not.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from contextlib import suppress
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from mypy.errorcodes import ErrorCode
from mypy.nodes import (
    ARG_NAMED,
    ARG_NAMED_OPT,
    ARG_POS,
    ARG_STAR,
    ARG_STAR2,
    CallExpr,
    Context,
    DictExpr,
    Expression,
    FloatExpr,
    IntExpr,
    ListExpr,
    MemberExpr,
    NameExpr,
    OverloadedFuncDef,
    RefExpr,
    StrExpr,
    TupleExpr,
    TypeInfo,
    UnaryExpr,
)
from mypy.options import Options
from mypy.plugin import (
    CheckerPluginInterface,
    FunctionSigContext,
    MethodSigContext,
    Plugin,
    ReportConfigContext,
)
from mypy.types import (
    AnyType,
    CallableType,
    FunctionLike,
    Instance,
    LiteralType,
    NoneType,
    Overloaded,
    Type,
    TypeOfAny,
    UnionType,
    get_proper_type,
)

from typedvision._version import __version__ as __version__
from typedvision.lint.call import FACTORY, UNKNOWN, VARIANT, Call, Function, Verdict

ERROR_CODE: Final = ErrorCode("typedvision", "What typedvision would refuse", "Plugins")
"""What a comment names to silence the plugin: `# type: ignore[typedvision]`."""

_GROUP = "typedvision.families"
_CONFIG = "typedvision.config.base.Config"
_BUILDS = "typedvision.config.base.Builds"
_MEMORY = 8_000_000  # bytes of verdicts that are worth reading


def _entry_points() -> Mapping[str, str]:
    """The plug-ins that are installed: the module of each family, by its key.

    importlib.metadata, which knows them too, takes longer to import than a warm run may.
    """
    found: dict[str, str] = {}
    for folder in dict.fromkeys(sys.path):
        try:
            names = sorted(os.listdir(folder or "."))
        except OSError:
            continue
        for name in names:
            if not name.endswith(".dist-info"):
                continue
            try:
                text = Path(folder, name, "entry_points.txt").read_text("utf-8", "replace")
            except OSError:
                continue
            _, _, rows = text.partition(f"[{_GROUP}]\n")
            for row in rows.partition("\n[")[0].splitlines():
                key, equals, where = row.partition("=")
                if equals:
                    found.setdefault(key.strip(), where.partition(":")[0].strip())
    return found


def _stamps(folder: str) -> Iterator[tuple[str, int, int]]:
    """The files of a package from which the library reads, with their times and sizes."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _stamps(entry.path)
            elif entry.name.endswith((".py", ".json")):
                stat = entry.stat()
                yield entry.path, stat.st_mtime_ns, stat.st_size


def _state(plugins: Mapping[str, str]) -> str:
    """A digest of what verdicts depend on: the files of the library and of the plug-ins."""
    folders = [str(Path(__file__).parent)]
    for package in sorted({module.partition(".")[0] for module in plugins.values()}):
        try:
            found = find_spec(package)
            folders += (found and found.submodule_search_locations) or []
        except (ImportError, ValueError):
            pass  # it is not there any more
    try:
        files = sorted(stamp for folder in folders for stamp in _stamps(folder))
    except OSError:
        files = []
    return sha256(repr([sorted(plugins.items()), files]).encode()).hexdigest()[:16]


def plugin(version: str) -> type[Plugin]:
    """What mypy asks for; `version` is mypy's."""
    return TypedVisionPlugin


class TypedVisionPlugin(Plugin):
    """Validates literal calls of typedvision."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        plugins = _entry_points()
        self._state = _state(plugins)
        self._verdicts = _Verdicts(Path(options.cache_dir) / f"typedvision-{self._state}.jsonl")
        self._overloads: dict[str, _Overloads] = {}
        self._asked = _Asked()
        packages = {module.rpartition(".")[0] for module in plugins.values()}
        self._configs = (
            f"{_GROUP}.",
            "typedvision.config.",
            *sorted(f"{package}." for package in packages if package),
        )

    def report_config_data(self, ctx: ReportConfigContext) -> str | None:
        """What a module was checked by: when it changes, mypy checks the module again."""
        return None if "site-packages" in ctx.path or "typeshed" in ctx.path else self._state

    def get_function_signature_hook(  # noqa: D102
        self, fullname: str
    ) -> Callable[[FunctionSigContext], FunctionLike] | None:
        module, _, name = fullname.rpartition(".")
        if module == "typedvision.factory" and name in FACTORY:
            factory = partial(_safely, partial(self._factory, FACTORY[name]))
            return lambda context: self._asked.answer(context) or factory(context)
        if fullname.startswith(self._configs) and name[:1].isupper():
            return partial(_safely, partial(self._config, fullname))
        return None

    def get_method_signature_hook(  # noqa: D102
        self, fullname: str
    ) -> Callable[[MethodSigContext], FunctionLike] | None:
        owner, _, name = fullname.rpartition(".")
        if owner.endswith("Variant") and name in VARIANT:
            return partial(_safely, partial(self._variant, VARIANT[name]))
        return None

    def _config(self, fullname: str, context: FunctionSigContext) -> FunctionLike:
        """The signature of a config class."""
        made = get_proper_type(context.default_signature.ret_type)
        if not isinstance(made, Instance) or not made.type.has_base(_CONFIG):
            return context.default_signature
        written = _Written.of(context.context, None, context.api)
        call = Call("config", fullname, written.keywords, written.whole)
        wrong = self._report(self._verdicts.of(call), written, context.api)
        return _adjusted(context.default_signature, wrong, context.api)

    def _variant(self, function: Function, context: MethodSigContext) -> FunctionLike:
        """The signature of `models.NAME`, or of a method of it."""
        written = _Written.of(context.context, None, context.api)
        named = written.call.callee
        if isinstance(named, MemberExpr) and not named.fullname:
            named = named.expr  # `models.NAME` of `models.NAME.config`
        if not isinstance(named, RefExpr):
            return context.default_signature
        name = named.fullname.rpartition(".")[2]
        verdict = self._verdicts.of(Call(function, name, written.keywords, written.whole))
        if verdict.variant != name:
            return context.default_signature  # a variable of the user's that holds a variant
        wrong = self._report(verdict, written, context.api)
        return _adjusted(context.default_signature, wrong, context.api)

    def _factory(self, function: Function, context: FunctionSigContext) -> FunctionLike:
        """The signature of a function of the factory.

        Of an overloaded one mypy asks for the signature of each overload: the call is checked here
        by the one that it means, the first answer lets everything pass, the others nothing.
        """
        node, default, api = context.context, context.default_signature, context.api
        overloads = _overloads_of(node)
        if overloads is None:
            written = _Written.of(node, _MODEL, api)
            verdict = self._verdicts.of(Call(function, *written.literals(api)))
            return _adjusted(default, self._report(verdict, written, api), api)
        result = self._result(function, node, overloads, api)
        if result is None:
            self._asked.start(node, len(overloads.items), None)
            return default
        nothing = default.copy_modified([], [], [], ret_type=result, variables=[])
        self._asked.start(node, len(overloads.items), nothing)
        whatever = [AnyType(TypeOfAny.special_form)] * 2
        return nothing.copy_modified(whatever, [ARG_STAR, ARG_STAR2], [None, None])

    def _result(
        self, function: Function, node: Context, overloads: Overloaded, api: CheckerPluginInterface
    ) -> Type | None:
        """Check a call by the one overload that it means; gives the type of its result.

        None leaves the call to mypy: it is not by name.
        """
        written = _Written.of(node, _MODEL, api)
        call = Call(function, *written.literals(api))
        verdict = self._verdicts.of(call)
        known = self._overloads.get(function)
        if known is None or known.source is not overloads:
            known = self._overloads[function] = _Overloads.of(overloads)
        signature = known.by_name.get(verdict.variant or "") or known.of_type(written, call, api)
        if signature is None:
            return None
        wrong = self._report(verdict, written, api)
        if None in wrong:  # no model: nothing is known of its options
            wrong |= {*written.keywords}
        if verdict.variant is not None and verdict.variant not in known.by_name:  # of a plug-in
            wrong |= {*written.keywords} - {*signature.arg_names}
            made = _of_plugin(function, verdict, signature, api)
            signature = signature.copy_modified(ret_type=made)
        if call.model is not UNKNOWN:
            wrong.add(signature.arg_names[0])
        signature = _adjusted(signature, wrong, api)
        checker: Any = api  # what the interface of a plugin does not have
        found = checker.expr_checker.check_call(
            signature, written.call.args, written.call.arg_kinds, node, written.call.arg_names
        )
        return cast("Type", found[0])

    def _report(
        self, verdict: Verdict, written: _Written, api: CheckerPluginInterface
    ) -> set[str | None]:
        """Report each problem where it is written; gives the keywords that have one."""
        for keyword, text in verdict.problems:
            place = written.places.get(keyword, written.call)
            api.fail(text, place, code=ERROR_CODE)
        return {keyword for keyword, _ in verdict.problems}


class _Asked:
    """The call of an overloaded function for whose signatures mypy is asking, one by one."""

    __slots__ = ("_left", "_node", "_rest")

    def __init__(self) -> None:
        self._node: Context | None = None
        self._left = 0
        self._rest: CallableType | None = None

    def start(self, node: Context, count: int, rest: CallableType | None) -> None:
        """Give the first of `count` answers; the others will be `rest`, or what mypy has."""
        self._node, self._left, self._rest = node, count - 1, rest

    def answer(self, context: FunctionSigContext) -> FunctionLike | None:
        """The next answer; None for a call that is not known yet."""
        if context.context is not self._node or not self._left:
            return None
        self._left -= 1
        return self._rest or context.default_signature


class _Overloads(NamedTuple):
    """The overloads of a function by the names that they take."""

    source: Overloaded
    by_name: Mapping[str, CallableType]

    @classmethod
    def of(cls, source: Overloaded) -> _Overloads:
        by_name = {}
        for item in source.items:
            first = get_proper_type(item.arg_types[0])
            for one in first.items if isinstance(first, UnionType) else [first]:
                literal = get_proper_type(one)
                if isinstance(literal, LiteralType) and isinstance(literal.value, str):
                    by_name[literal.value] = item
        return cls(source, by_name)

    def of_type(
        self, written: _Written, call: Call, api: CheckerPluginInterface
    ) -> CallableType | None:
        """The overload for the type of the model; None where mypy must try them all."""
        first, last = self.source.items[0], self.source.items[-1]
        if written.model is None:
            return None
        if call.model is not UNKNOWN:
            return last  # a name of which no overload knows
        type_ = get_proper_type(api.get_expression_type(written.model))
        if not isinstance(type_, Instance):
            return None
        return first if type_.type.has_base(_BUILDS) else last


_MODEL = ("model", "name")
"""How the functions of the factory call their first argument."""


class _Written(NamedTuple):
    """The arguments of a call as they are written."""

    call: CallExpr
    model: Expression | None
    keywords: dict[str, object]
    whole: bool
    places: dict[str | None, Expression]
    """Where each keyword's value stands; None is the model."""

    @classmethod
    def of(
        cls, node: Context, model: Collection[str] | None, api: CheckerPluginInterface
    ) -> _Written:
        """What is written in a call; `model` are the names of its first argument, if it has one."""
        assert isinstance(node, CallExpr)
        first, whole = None, True
        keywords: dict[str, object] = {}
        places: dict[str | None, Expression] = {}
        for value, kind, name in zip(node.args, node.arg_kinds, node.arg_names, strict=True):
            if model and first is None and (kind is ARG_POS or name in model):
                first = places[None] = value
            elif kind is ARG_NAMED and name is not None:
                keywords[name], places[name] = _literal(value, api), value
            else:
                whole = False
        return cls(node, first, keywords, whole, places)

    def literals(self, api: CheckerPluginInterface) -> tuple[object, dict[str, object], bool]:
        """The model, the keywords, and whether these are all."""
        model = UNKNOWN if self.model is None else _literal(self.model, api)
        return model, self.keywords, self.whole


class _Verdicts:
    """What the library says of calls; what it once said is kept beside mypy's cache."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, Verdict] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        if not self._file.is_file():
            with suppress(OSError):
                for old in file.parent.glob("typedvision-*.jsonl"):
                    old.unlink()
                # It gets ready while mypy reads what is imported.
                self._process = _helper("--all")

    def of(self, call: Call) -> Verdict:
        """The verdict on a call; a library that fails has nothing to say."""
        if self._known is None:
            self._known = self._read()
        key = repr((call.function, call.model, call.keywords, call.whole))
        if key not in self._known:
            self._known[key] = self._ask(call)
            self._keep(key, self._known[key])
        return self._known[key]

    def _ask(self, call: Call) -> Verdict:
        try:
            if self._process is None or self._process.poll() is not None:
                self._process = _helper()
            assert self._process.stdin
            assert self._process.stdout
            pickle.dump(call, self._process.stdin)
            self._process.stdin.flush()
            verdict: Verdict = pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.PickleError):  # it ended: mypy goes on without it
            return Verdict(None, None, None, ())
        return verdict

    def _read(self) -> dict[str, Verdict]:
        try:
            text = self._file.read_text("utf-8") if self._file.stat().st_size < _MEMORY else ""
            rows = [json.loads(line) for line in text.splitlines()]
            return {key: Verdict(*verdict) for key, *verdict in rows}
        except (OSError, ValueError, TypeError):  # none yet, or half a line of another process
            return {}

    def _keep(self, key: str, verdict: Verdict) -> None:
        with suppress(OSError):  # without a cache it is said again
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, *verdict]) + "\n")


def _helper(*arguments: str) -> subprocess.Popen[bytes]:
    """Start the process that asks the library."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "typedvision.lint.helper", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _safely(
    hook: Callable[[Any], FunctionLike], context: FunctionSigContext | MethodSigContext
) -> FunctionLike:
    """What a hook answers, or what mypy had: what the plugin cannot do it leaves to mypy."""
    try:
        return hook(context)
    except Exception:
        return context.default_signature


def _adjusted(
    signature: CallableType, free: Set[str | None], api: CheckerPluginInterface
) -> CallableType:
    """A signature that takes anything for some of its keywords, and does without them."""
    if not any(free):
        return signature
    signature = signature.with_unpacked_kwargs()
    anything = api.named_generic_type("builtins.object", [])
    rows = []
    for kind, name, type_ in zip(
        signature.arg_kinds, signature.arg_names, signature.arg_types, strict=True
    ):
        is_free = name in free and kind is not ARG_STAR2
        kind = ARG_NAMED_OPT if is_free and kind is ARG_NAMED else kind
        rows.append((anything if is_free else type_, kind, name))
    more = [(anything, ARG_NAMED_OPT, name) for name in free - {*signature.arg_names, None}]
    end = len(rows) - signature.is_kw_arg
    types, kinds, names = zip(*[*rows[:end], *more, *rows[end:]], strict=True)
    return signature.copy_modified(list(types), list(kinds), list(names))


def _overloads_of(node: Context) -> Overloaded | None:
    """The overloads of the function that is called."""
    callee = node.callee if isinstance(node, CallExpr) else None
    function = callee.node if isinstance(callee, RefExpr) else None
    type_ = get_proper_type(function.type) if isinstance(function, OverloadedFuncDef) else None
    return type_ if isinstance(type_, Overloaded) else None


def _of_plugin(
    function: Function, verdict: Verdict, signature: CallableType, api: CheckerPluginInterface
) -> Type:
    """The type of what a plug-in's family makes, if mypy has read the module of its class."""
    dotted = verdict.config if function == "configure" else verdict.model
    module, _, name = (dotted or "").rpartition(".")
    checker: Any = api  # what the interface of a plugin does not have
    tree = checker.modules.get(module)
    symbol = tree.names.get(name) if tree else None
    if symbol is None or not isinstance(symbol.node, TypeInfo):
        return signature.ret_type
    made, usual = Instance(symbol.node, []), get_proper_type(signature.ret_type)
    if function == "create_backbone" and isinstance(usual, Instance):
        return usual.copy_modified(args=[made])
    return made


def _literal(node: Expression, api: CheckerPluginInterface) -> object:
    """The value of an expression that is a literal, or a name for one; else `UNKNOWN`."""
    match node:
        case IntExpr() | FloatExpr() | StrExpr():
            return node.value
        case UnaryExpr(op="-", expr=IntExpr() | FloatExpr() as number):
            return -number.value
        case TupleExpr() | ListExpr():
            items = [_literal(item, api) for item in node.items]
            whole = UNKNOWN not in items
            return (tuple(items) if isinstance(node, TupleExpr) else items) if whole else UNKNOWN
        case DictExpr():
            pairs = [
                (_literal(key, api) if key else UNKNOWN, _literal(value, api))
                for key, value in node.items
            ]
            whole = not any(UNKNOWN in pair for pair in pairs)
            return dict(pairs) if whole else UNKNOWN
        case NameExpr(fullname="builtins.True" | "builtins.False"):
            return node.fullname == "builtins.True"
        case RefExpr():
            return _literal_of_type(api.get_expression_type(node))
    return UNKNOWN


def _literal_of_type(type_: Type) -> object:
    """The one value that a type has; else `UNKNOWN`."""
    type_ = get_proper_type(type_)
    if isinstance(type_, NoneType):
        return None
    if isinstance(type_, Instance) and type_.last_known_value:
        type_ = type_.last_known_value
    if isinstance(type_, LiteralType) and type_.fallback.type.module_name == "builtins":
        return type_.value
    return UNKNOWN
