"""The package's public names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vault

ROOT = Path(__file__).parents[2] / "vault"


def test_names_are_sorted_and_there() -> None:
    """Every public name resolves to the thing of that name, and nothing else does."""
    assert list(vault.__all__) == sorted(set(vault.__all__)) == dir(vault)
    for name in vault.__all__:
        assert getattr(vault, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = vault.no_such_name


def test_type_checkers_see_the_same_names() -> None:
    """What is imported for type checkers is what is exported."""
    tree = ast.parse((ROOT / "__init__.py").read_text("utf-8"))
    (guard,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in guard.body if isinstance(node, ast.ImportFrom)]
    seen = {(node.module, alias.asname) for node in imports for alias in node.names}
    assert seen == {(home, name) for name, home in vault._HOMES.items()}


def test_importing_the_package_is_cheap() -> None:
    """`import vault` brings in neither the stores nor the crypto."""
    heavy = ("sqlalchemy", "cryptography", "jwt")
    code = f"import sys, vault, vault.errors; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_inside_imports_the_root() -> None:
    """Modules import each other by their own names, so that the floors can be checked."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "vault" and path.name != "__init__.py":
                assert {alias.name for alias in node.names} <= {"schema"}, path
