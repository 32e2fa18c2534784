"""The house rules: what the architecture forbids and no linter knows. Standard library only.

    python -m tools.house_rules [ROOT]

prints one line for each violation and exits with 1 if there is any. A rule is a function from the
project to its findings; `RULES` lists them, and a rule's name is its function's. Imports under
`if TYPE_CHECKING:` never run, so the rules about what is loaded leave them free.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

PACKAGE = "typedvision"

When = Literal["module", "function", "typing"]  # when an import runs: at once, later, never
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Place(NamedTuple):
    """Where a module stands: how high, and on which side of the wall."""

    pattern: str  # of the dotted name below the package; what is inside belongs to it
    level: int
    torch: bool  # may torch be imported at module level?


# The architecture in one table, the first match counts. A new module needs a place in it.
PLACES = (
    Place(r"errors|_version", 0, torch=False),
    Place(r"config", 1, torch=False),
    Place(r"registry", 2, torch=False),
    Place(r"layers", 3, torch=True),
    Place(r"architecture", 4, torch=True),
    Place(r"families\.\w+\.(model|convert)", 5, torch=True),
    Place(r"families", 5, torch=False),
    Place(r"weights\.(load|adapt|save)", 6, torch=True),
    Place(r"weights", 6, torch=False),
    Place(r"preprocess|prediction|export|inference", 6, torch=True),
    Place(r"factory|models|configs|stubs|scaffold|lint|mypy_plugin", 7, torch=False),
    Place(r"testing\.checks", 8, torch=True),
    Place(r"cli|testing|__main__", 8, torch=False),
    Place(r"", 9, torch=False),  # the facade, for users alone
)

# What the files of a family may load, further than their level says: `{}` is the family's name.
FAMILY_REACH = {
    "config": ("errors", "config"),
    "model": ("errors", "config", "layers", "architecture", "families.{}.config"),
}
FAMILY_FILES = {"__init__.py", "config.py", "family.py", "model.py", "weights.json"}
FAMILY_EXTRAS = {"convert.py"}

TORCH_PACKAGES = ("torch", "torchvision", "timm", "safetensors.torch")
FORBIDDEN = {
    "timm": "write it here: timm is the peer that tests compare with",
    "torchvision": "write it here: it is no dependency",
    "tools": "move what the library needs into src",
    "tests": "move what the library needs into src",
}
LIGHT = ("", "errors", "_version")  # what `import typedvision` runs

CHECKED_FOLDERS = ("src", "tests", "tools", "typings", "examples", "benchmarks")
CHECKED_SUFFIXES = {".py", ".pyi", ".json"}


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, as `package.module.name`."""

    line: int
    target: str
    when: When

    @property
    def own(self) -> str | None:
        """The target below our package, if it is in it: `typedvision.errors.x` -> `errors.x`."""
        if not is_in(self.target, PACKAGE):
            return None
        return self.target.removeprefix(PACKAGE).removeprefix(".")

    @property
    def place(self) -> Place | None:
        """The place of the target, if it is ours; a name without one comes from the facade."""
        return None if self.own is None else place_of(self.own) or PLACES[-1]


@dataclass(frozen=True)
class Module:
    """One source file of the package."""

    path: Path
    name: str  # dotted, below the package; "" is the package itself
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, str(self.path))

    @cached_property
    def imports(self) -> list[Import]:
        """Every import, wherever it stands, with relative ones made absolute."""
        package = [PACKAGE, *self.name.split(".")] if self.name else [PACKAGE]
        if self.path.name != "__init__.py":
            package.pop()
        return list(_imports(self.tree, package, "module"))

    @property
    def loads(self) -> list[Import]:
        """The imports that run when the module is imported."""
        return [found for found in self.imports if found.when == "module"]

    def needs(self, project: Project) -> dict[str, int]:
        """The modules that this one imports, at once or in a function, each with the line."""
        lines: dict[str, int] = {}
        for found in self.imports:
            own = found.own if found.when != "typing" else None
            while own and own not in project.names:
                own = own.rpartition(".")[0]
            if own and own != self.name:
                lines.setdefault(own, found.line)
        return lines

    @property
    def place(self) -> Place | None:
        """The module's row of `PLACES`."""
        return place_of(self.name)

    @property
    def family(self) -> str | None:
        """The family whose folder holds this module."""
        return family_of(self.name)


@dataclass(frozen=True)
class Project:
    """A checkout: its root and the modules of the package."""

    root: Path
    modules: list[Module]

    @classmethod
    def read(cls, root: Path) -> Project:
        """The project at `root`, with `src/typedvision` parsed."""
        source = root / "src" / PACKAGE
        modules: list[Module] = []
        for path in sorted(source.rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            modules.append(Module(path, name, path.read_text("utf-8")))
        if not modules:
            raise FileNotFoundError(f"no Python file below {source}")
        return cls(root, modules)

    @cached_property
    def names(self) -> frozenset[str]:
        """The dotted name of every module."""
        return frozenset(module.name for module in self.modules)

    @cached_property
    def families(self) -> list[Path]:
        """The folders of the families."""
        folder = self.root / "src" / PACKAGE / "families"
        inside = folder.iterdir() if folder.is_dir() else ()
        return sorted(p for p in inside if p.is_dir() and p.name != "__pycache__")


class Finding(NamedTuple):
    """What a rule found, where, and what to write instead."""

    path: Path
    line: int
    what: str
    instead: str


Rule = Callable[[Project], Iterator[Finding]]


def wall(project: Project) -> Iterator[Finding]:
    """A torch-free module never loads torch, neither itself nor through one of ours."""
    instead = "import it inside the function that needs it, or under TYPE_CHECKING"
    for module in project.modules:
        if module.place is None or module.place.torch:
            continue
        for found in module.loads:
            itself = any(is_in(found.target, name) for name in TORCH_PACKAGES)
            if itself or (found.place and found.place.torch):
                what = f"a torch-free module loads {found.target}"
                yield Finding(module.path, found.line, what, instead)


def levels(project: Project) -> Iterator[Finding]:
    """No import runs upward, not even inside a function: only modules of one's level or below."""
    instead = "move what both share down, or hand it in as an argument"
    for module in project.modules:
        if module.place is None:
            homeless = f"{module.name} has no place in the architecture"
            yield Finding(module.path, 1, homeless, "move it into a module that has one")
            continue
        for found in module.imports:
            place = found.place
            if found.when != "typing" and place and place.level > module.place.level:
                what = f"level {module.place.level} loads {found.target} of level {place.level}"
                yield Finding(module.path, found.line, what, instead)


def family_reach(project: Project) -> Iterator[Finding]:
    """A family's config stands on configs alone; its model on layers and its own config."""
    for module in project.modules:
        reach = FAMILY_REACH.get(module.name.rpartition(".")[2])
        if module.family is None or reach is None:
            continue
        allowed = [name.format(module.family) for name in reach]
        for found in module.loads:
            own = found.own
            if own is not None and not any(is_in(own, name) for name in allowed):
                instead = "load only " + ", ".join(allowed)
                yield Finding(module.path, found.line, f"loads {found.target}", instead)


def no_family_named(project: Project) -> Iterator[Finding]:
    """Nothing outside `families` names a family: by import, by path or by key."""
    keys = {folder.name for folder in project.families}
    dotted = re.compile(rf"\bfamilies\.({'|'.join(keys)})\b") if keys else None
    instead = "ask the registry, or let the family declare what differs"
    for module in project.modules:
        if is_in(module.name, "families"):
            continue
        for found in module.imports:
            if family_of(found.own or "") in keys:
                yield Finding(module.path, found.line, f"imports {found.target}", instead)
        for literal in _strings(module.tree):
            if literal.value in keys or (dotted and dotted.search(literal.value)):
                yield Finding(module.path, literal.line, f"names a family: {literal}", instead)


def families_apart(project: Project) -> Iterator[Finding]:
    """No family imports another, not even inside a function or for its types."""
    instead = "move what both share into layers, or make them one family with a wider config"
    keys = {folder.name for folder in project.families}
    for module in project.modules:
        for found in module.imports if module.family else ():
            if family_of(found.own or "") in keys - {module.family}:
                yield Finding(module.path, found.line, f"imports {found.target}", instead)


def no_forbidden_import(project: Project) -> Iterator[Finding]:
    """The library imports neither its peers nor its own tools."""
    for module in project.modules:
        for found in module.imports:
            for name, instead in FORBIDDEN.items():
                if is_in(found.target, name):
                    yield Finding(module.path, found.line, f"imports {found.target}", instead)


def light_import(project: Project) -> Iterator[Finding]:
    """`import typedvision` loads the standard library and nothing else."""
    instead = "import it inside the function that needs it, or under TYPE_CHECKING"
    for module in project.modules:
        for found in module.loads if module.name in LIGHT else ():
            standard = found.target.partition(".")[0] in sys.stdlib_module_names
            light = any(is_in(found.own or "", name) for name in LIGHT if name)
            if not (standard or light):
                yield Finding(module.path, found.line, f"loads {found.target}", instead)


def ascii_only(project: Project) -> Iterator[Finding]:
    """Source files are ASCII."""
    for folder in CHECKED_FOLDERS:
        for path in sorted((project.root / folder).rglob("*")):
            if path.suffix not in CHECKED_SUFFIXES or not path.is_file():
                continue
            for number, line in enumerate(path.read_bytes().splitlines(), 1):
                if not line.isascii():
                    text = line.decode("utf-8", "backslashreplace").strip()
                    yield Finding(path, number, f"not ASCII: {text!a}", "write an escape")


def family_folder(project: Project) -> Iterator[Finding]:
    """A family is one folder with fixed file names."""
    for module in project.modules:
        if module.family and module.path.parent.name == "families":
            yield Finding(
                module.path, 1, "is no folder", f"make it {module.family}/, with its files"
            )
    for folder in project.families:
        files = {path.name for path in folder.iterdir()} - {"__pycache__"}
        for name in sorted(FAMILY_FILES - files):
            yield Finding(folder / name, 1, "is missing", "write it, as every family does")
        for name in sorted(files - FAMILY_FILES - FAMILY_EXTRAS):
            instead = "put its content into the family's own files or into layers"
            yield Finding(folder / name, 1, "is no file of a family", instead)


def any_has_reason(project: Project) -> Iterator[Finding]:
    """`Any` in a public signature says why, in a comment on its line or the one above."""
    instead = "write the type, or `object`, or say why in a comment `# Any: reason`"
    for module in project.modules:
        lines = ["", *module.text.splitlines()]
        for function in _public_functions(module.tree):
            for line in sorted({node.lineno for node in _any_nodes(function)}):
                if not any(re.search(r"# Any: \S", text) for text in lines[line - 1 : line + 1]):
                    what = f"bare Any in the signature of {function.name}"
                    yield Finding(module.path, line, what, instead)


def rows_are_literal(project: Project) -> Iterator[Finding]:
    """A variant is one row with a literal name, found exactly once.

    The row is a config, or a module-level config with `.replace(option=literal)`: one hop.
    """
    instead = 'write `"name": TheConfig(...)`, or `"name": _BASE.replace(option=literal)`'
    once = "name a variant in its row alone"
    for module in project.modules:
        if not module.family or not module.name.endswith(".family"):
            continue
        tables = list(_assigned(module.tree, "variants"))
        if not tables:
            yield Finding(module.path, 1, "publishes no variants", instead)
        for table in tables:
            keys = table.keys if isinstance(table, ast.Dict) else [None]
            names = {key.value for key in keys if isinstance(key, ast.Constant)}
            if not all(isinstance(key, ast.Constant) for key in keys):
                yield Finding(module.path, table.lineno, "variants are not literal rows", instead)
            bases = _constant_configs(module.tree)
            for row in table.values if isinstance(table, ast.Dict) else ():
                if not _is_row(row, bases):
                    what = f"is no row: {_Literal(row.lineno, ast.unparse(row))}"
                    yield Finding(module.path, row.lineno, what, instead)
            keys_at = {node.lineno for node in _assigned(module.tree, "key")}  # may be a name, too
            literals = [
                found
                for found in _strings(module.tree)
                if found.value in names and found.line not in keys_at
            ]
            for at, literal in enumerate(literals):
                if literal.value in {earlier.value for earlier in literals[:at]}:
                    yield Finding(module.path, literal.line, f"again: {literal}", once)


def no_circles(project: Project) -> Iterator[Finding]:
    """No module needs itself through others, not even inside functions."""
    instead = "move what both share down, or hand it in as an argument"
    needs = {module.name: module.needs(project) for module in project.modules}
    for module in project.modules:
        for name, line in needs[module.name].items():
            way = _way(name, module.name, needs)
            if way and module.name == min(way):  # a circle is told once, by its first module
                what = f"a circle: {' -> '.join([module.name, *way])}"
                yield Finding(module.path, line, what, instead)


def models_are_final(project: Project) -> Iterator[Finding]:
    """A model extends a base of `architecture`, never another model."""
    instead = (
        "extend the base, and share blocks as parts; or make them one model with a wider config"
    )
    for module in project.modules:
        if module.family is None or not module.name.endswith(".model"):
            continue
        bases = {
            found.target.rpartition(".")[2]
            for found in module.loads
            if is_in(found.own or "", "architecture")
        }
        models: set[str] = set()
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                above = {ast.unparse(base).partition("[")[0] for base in node.bases}
                if above & (bases | models):
                    models.add(node.name)
                for name in sorted(above & models):
                    yield Finding(module.path, node.lineno, f"{node.name} extends {name}", instead)


RULES: tuple[Rule, ...] = (
    wall,
    levels,
    family_reach,
    no_family_named,
    families_apart,
    no_forbidden_import,
    light_import,
    ascii_only,
    family_folder,
    any_has_reason,
    rows_are_literal,
    no_circles,
    models_are_final,
)


def is_in(name: str, package: str) -> bool:
    """Whether a dotted name is the package or something inside of it."""
    return name == package or name.startswith(f"{package}.")


def place_of(name: str) -> Place | None:
    """The place of a module of the package, by its dotted name below it."""
    matches = (p for p in PLACES if re.fullmatch(rf"(?:{p.pattern})(?:\..*)?", name))
    return next(matches, None)


def family_of(name: str) -> str | None:
    """The family in a dotted name below the package: `families.resnet.model` -> `resnet`."""
    parts = name.split(".")
    return parts[1] if parts[0] == "families" and len(parts) > 1 else None


class _Literal(NamedTuple):
    line: int
    value: str

    def __str__(self) -> str:
        return ascii(self.value if len(self.value) <= 40 else f"{self.value[:37]}...")


def _strings(tree: ast.AST) -> list[_Literal]:
    """The string literals of a tree, in the order of the file."""
    found = (n for n in ast.walk(tree) if isinstance(n, ast.Constant))
    return sorted(_Literal(n.lineno, n.value) for n in found if isinstance(n.value, str))


_TYPING_ONLY = ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _imports(node: ast.AST, package: list[str], when: When) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(child.lineno, alias.name, when)
        elif isinstance(child, ast.ImportFrom):
            above = package[: len(package) - child.level + 1] if child.level else []
            base = ".".join([*above, child.module] if child.module else above)
            for alias in child.names:
                yield Import(child.lineno, f"{base}.{alias.name}", when)
        elif isinstance(child, ast.If) and ast.unparse(child.test) in _TYPING_ONLY:
            yield from _imports(ast.Module(child.body, []), package, "typing")
            yield from _imports(ast.Module(child.orelse, []), package, when)
        elif isinstance(child, Function):
            yield from _imports(child, package, "function")
        else:
            yield from _imports(child, package, when)


def _way(start: str, end: str, needs: dict[str, dict[str, int]]) -> list[str]:
    """The shortest way of imports from one module to another, both included, or nothing."""
    ways, seen = [[start]], {start}
    for way in ways:
        if way[-1] == end:
            return way
        for name in sorted(needs[way[-1]].keys() - seen):
            seen.add(name)
            ways.append([*way, name])
    return []


def _is_config(value: ast.AST | None) -> bool:
    """Whether this is the call of a class, each keyword written out: `TheConfig(depth=12)`."""
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id[0].isupper()
        and not value.args
        and all(keyword.arg for keyword in value.keywords)
    )


def _constant_configs(tree: ast.Module) -> set[str]:
    """The names that a module gives to configs, outside of every class and function."""
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and _is_config(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _is_row(value: ast.expr, bases: set[str]) -> bool:
    """Whether this is a config, or one of `bases` as it is or with other literal options."""
    match value:
        case ast.Name(base):
            return base in bases
        case ast.Call(ast.Attribute(ast.Name(base), "replace"), [], keywords):
            return base in bases and all(each.arg and _is_literal(each.value) for each in keywords)
    return _is_config(value)


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def _public_functions(node: ast.AST) -> Iterator[Function]:
    """Functions and methods that others call: no leading underscore, not inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            dunder = child.name.startswith("__") and child.name.endswith("__")
            if child.name.startswith("_") and not dunder:
                continue
            if isinstance(child, ast.ClassDef):
                yield from _public_functions(child)
            else:
                yield child
        else:
            yield from _public_functions(child)


def _any_nodes(function: Function) -> Iterator[ast.expr]:
    """The places where `Any` stands in a signature."""
    arguments = [n for n in ast.walk(function.args) if isinstance(n, ast.arg)]
    for annotation in [function.returns, *(argument.annotation for argument in arguments)]:
        for node in ast.walk(annotation) if annotation else ():
            named = isinstance(node, ast.Name) and node.id == "Any"
            dotted = isinstance(node, ast.Attribute) and node.attr == "Any"
            if isinstance(node, ast.expr) and (named or dotted):
                yield node


def _assigned(tree: ast.AST, name: str) -> Iterator[ast.expr]:
    """The values that are assigned to a name."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield node.value


def check(root: Path) -> list[str]:
    """Every violation in the checkout at `root`, one line each."""
    project = Project.read(root)
    return [
        f"{found.path.relative_to(root)}:{found.line}: {rule.__name__.replace('_', '-')}: "
        f"{found.what}; instead: {found.instead}"
        for rule in RULES
        for found in rule(project)
    ]


def main(arguments: list[str]) -> int:
    """Check the checkout that is named, or this one."""
    root = Path(arguments[0]) if arguments else Path(__file__).parents[1]
    violations = check(root)
    for violation in violations:
        print(violation)
    print(f"house rules: {len(RULES)} checked, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
