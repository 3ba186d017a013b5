"""The tests can be collected with what `repdyn[test]` installs, without the extras of developers."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TESTS = Path(__file__).parent
OURS = {"benchmarks", "docs", "examples", "repdyn", "tests", "tui"}
"""Packages of this repository."""


def installed_by(wanted: str) -> set[str]:
    """Return the names of all distributions that a requirement installs here."""
    waiting = [Requirement(wanted)]
    names: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one = waiting.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key in seen:
            continue
        seen.add(key)
        names.add(key[0])
        try:
            needed = [Requirement(line) for line in requires(one.name) or []]
        except PackageNotFoundError:  # for another platform
            continue
        waiting += [
            need
            for need in needed
            if need.marker is None
            or any(need.marker.evaluate({"extra": extra}) for extra in ("", *one.extras))
        ]
    return names


def is_skip(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "importorskip"
        and isinstance(node.args[0], ast.Constant)
    )


def modules(
    node: ast.AST, skipped: frozenset[str] = frozenset()
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the modules imported below a node, each with the packages it may be skipped for.

    A function is skipped by the `importorskip` in itself or around it, and nothing else is by it.
    """
    own = set(skipped)
    waiting = list(ast.iter_child_nodes(node))
    inner: list[ast.AST] = []
    found: list[str] = []
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            inner.append(one)
            continue
        if isinstance(one, ast.Import):
            found += [name.name for name in one.names]
        elif isinstance(one, ast.ImportFrom) and one.level == 0:
            found.append(one.module or "")
        elif isinstance(one, ast.Call) and is_skip(one):
            (name, *_) = one.args
            own.add(ast.literal_eval(name).partition(".")[0])
        waiting += ast.iter_child_nodes(one)
    for module in found:
        yield module, frozenset(own)
    for function in inner:
        yield from modules(function, frozenset(own))


class Needs:
    """What each module of the tests needs beyond the distributions of its extra."""

    def __init__(self, present: set[str]) -> None:
        self.there = OURS | set(sys.stdlib_module_names)
        for package, distributions in packages_distributions().items():
            if {canonicalize_name(one) for one in distributions} & present:
                self.there.add(package)

    def of_code(self, code: str) -> set[str]:
        return {
            package
            for module, skipped in modules(ast.parse(code))
            for package in self.of_module(module) - skipped
        }

    def of_module(self, module: str) -> set[str]:
        package = module.partition(".")[0]
        helper = TESTS.parent.joinpath(*module.split(".")).with_suffix(".py")
        if package == "tests" and helper.exists():
            return self.of_code(helper.read_text())
        return set() if package in self.there else {package}


@pytest.fixture(scope="module")
def needs() -> Needs:
    return Needs(installed_by("repdyn[test]"))


def test_tests_import_what_their_extra_installs(needs: Needs) -> None:
    files = [path for path in TESTS.rglob("*.py") if path.name.startswith(("test_", "conftest"))]
    assert len(files) > 100
    more = {str(path.relative_to(TESTS)): needs.of_code(path.read_text()) for path in sorted(files)}
    assert {path: packages for path, packages in more.items() if packages} == {}


SKIP = "import pytest\npytest.importorskip('no_such.part', reason='not here')\n"
INSIDE = """
def test_one():
    import pytest
    pytest.importorskip('ray')
    from tests.support.eager_ray import EagerRay
"""


@pytest.mark.parametrize(
    ("code", "packages"),
    [
        ("import torch, numpy.linalg\nimport json", set()),
        ("import no_such_package", {"no_such_package"}),
        ("import json\nfrom no_such.part import name", {"no_such"}),
        (f"{SKIP}from no_such.part import name", set()),
        (f"{SKIP}def f():\n    import no_such", set()),
        ("def f():\n    import no_such", {"no_such"}),
        ("from . import sibling", set()),
        ("from tests.support.eager_ray import EagerRay", {"ray"}),
        (INSIDE, set()),
        (f"from tests.support.eager_ray import EagerRay\n{INSIDE}", {"ray"}),
    ],
)
def test_imports_of_more_are_found(code: str, packages: set[str], needs: Needs) -> None:
    assert needs.of_code(code) == packages


def test_an_extra_brings_what_its_packages_need() -> None:
    present = installed_by("repdyn[test]")
    assert {"repdyn", "pytest", "torch", "mlflow", "scikit-learn"} <= present
    assert "ray" not in present
    assert "ray" in installed_by("repdyn[ray]")
