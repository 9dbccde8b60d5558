"""The code that a result depends on, found by following imports inside the package."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder

from ocspark.places import package_version

#: Packages whose version may change a result: those that read, calculate or evaluate. The name
#: that code imports: the name that it is installed by. Spark moves rows and decides no value;
#: torch calculates on GPUs only, which a run records; of dustapprox its polynomials count.
CALCULATING_PACKAGES = {
    "astropy": "astropy",
    "healpy": "healpy",
    "hpgeom": "hpgeom",
    "llvmlite": "llvmlite",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "scipy": "scipy",
    "zero_point": "gaiadr3-zeropoint",
}
#: Tests of `if` statements whose bodies never run.
_TYPING_ONLY = ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def code_digest(roots: Iterable[str]) -> str:
    """Return the SHA-256 of the code that some modules use.

    It is made of the source text of `modules_used_by` (line ends aside) and of the versions of
    the `CALCULATING_PACKAGES` that these import. ocspark's own version says nothing of a checkout
    and does not count.

    Parameters
    ----------
    roots : iterable of str
        Full names of modules of the package.
    """
    modules = sorted(modules_used_by(roots))
    imported = {_top(pair) for name in modules for pair in _read(name).imports}
    packages = [CALCULATING_PACKAGES[name] for name in imported & CALCULATING_PACKAGES.keys()]
    parts = [f"{name}\n{_read(name).source}" for name in modules]
    parts += [f"{name} {package_version(name)}" for name in sorted(packages)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def modules_used_by(roots: Iterable[str]) -> frozenset[str]:
    """Return some modules of a package and all modules of it that they import, near or far.

    Imports are read from the source, nothing is executed; so it works in a checkout, installed,
    and in a zip or wheel given to ``spark-submit --py-files``. Imports inside functions count.
    Those under ``if TYPE_CHECKING`` never run and do not. Importing ``a.b.c`` executes ``a.b``
    too, which therefore counts. Of the package itself, ``a``, the ``__init__`` only looks up
    public names when they are asked for: it counts where a module takes such a name from it, and
    then so does the module that the name is from (which its TYPE_CHECKING imports tell).

    Parameters
    ----------
    roots : iterable of str
        Full names of modules.

    Raises
    ------
    ModuleNotFoundError
        If a module of the package is not there.
    ImportError
        If it is there without its source.
    """
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    left = [(name, "") for name in roots]  # a module, and the name that is taken from it
    while left:
        pair = left.pop()
        if pair in seen:
            continue
        seen.add(pair)
        module, name = pair
        if name and _find(f"{module}.{name}") is not None:
            module, name = f"{module}.{name}", ""
        package, *inner = module.split(".")
        found.add(module)
        code = _read(module)
        parents = [(".".join([package, *inner[:n]]), "") for n in range(1, len(inner))]
        needed = [*parents, *code.imports]
        if name in code.lazy:
            needed.append(code.lazy[name])
        elif not name and not inner:  # `import a`: any public name may be meant
            needed += code.lazy.values()
        left += [pair for pair in needed if _top(pair) == package]
    return frozenset(found)


def _top(imported: tuple[str, str]) -> str:
    return imported[0].split(".")[0]


@dataclass(frozen=True)
class _Module:
    """Source of a module; its imports (module, name taken or ""); lazy names: where they are."""

    source: str
    imports: tuple[tuple[str, str], ...]
    lazy: dict[str, tuple[str, str]]


@cache
def _read(name: str) -> _Module:
    spec = _find(name)
    if spec is None:
        raise ModuleNotFoundError(f"no module named {name!r}", name=name)
    source = getattr(spec.loader, "get_source", lambda _: None)(name)
    if source is None:
        raise ImportError(f"{name}: expected its source, on which it depends what is made again")
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    imports: list[tuple[str, str]] = []
    lazy: dict[str, tuple[str, str]] = {}
    for node, typing_only in _import_statements(ast.parse(source)):
        if isinstance(node, ast.Import):
            pairs = {alias.asname or alias.name: (alias.name, "") for alias in node.names}
        else:
            target = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            pairs = {alias.asname or alias.name: (target, alias.name) for alias in node.names}
        if typing_only:
            lazy |= pairs
        else:
            imports += pairs.values()
    return _Module(source.replace("\r\n", "\n"), tuple(imports), lazy)


def _import_statements(
    tree: ast.AST, typing_only: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Yield all import statements, and whether each is one that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, typing_only
        elif isinstance(node, ast.If) and ast.unparse(node.test) in _TYPING_ONLY:
            for inner in node.body:
                yield from _import_statements(ast.Module([inner], []), True)
            yield from _import_statements(ast.Module(node.orelse, []), typing_only)
        else:
            yield from _import_statements(node, typing_only)


@cache
def _find(name: str) -> ModuleSpec | None:
    """Return where a module is, or None; unlike `importlib.util.find_spec`, import no parents."""
    parent = name.rpartition(".")[0]
    if not parent:
        return importlib.util.find_spec(name)
    spec = _find(parent)
    if spec is None or spec.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(name, spec.submodule_search_locations)
