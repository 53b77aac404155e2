"""docs/interface.md says what is: commands, exit codes, closed lists and options, both ways."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from cli.main import app
from cli.options import SHARED
from vault import errors, model

PAGE = (Path(__file__).parents[2] / "docs" / "interface.md").read_text("utf-8")


@functools.cache
def _commands() -> dict[str, typer.core.TyperCommand]:
    found = {}

    def walk(name: str, one: typer.core.TyperCommand) -> None:
        for sub, command in getattr(one, "commands", {}).items():
            walk(f"{name} {sub}".strip(), command)
        if not hasattr(one, "commands"):
            found[name] = one

    walk("", get_command(app))  # type: ignore[arg-type]
    return found


@functools.cache
def _documented() -> dict[str, str]:
    lines = re.findall(r"^- `cvault ([^`]*)`", PAGE, re.MULTILINE)
    found = {}
    for line in lines:
        words = re.match(r"[a-z-]+(?: [a-z-]+){0,2}(?= |$)", line)
        assert words is not None
        name = words[0]
        while name not in _commands() and " " in name:  # the last words may be arguments
            name = name.rpartition(" ")[0]
        found[name] = f"{found.get(name, '')} {line}"  # one command may stand on several lines
    return found


def test_every_command_is_documented_and_every_documented_one_exists() -> None:
    """The page's list of commands is the program's."""
    assert _documented().keys() == _commands().keys()


@pytest.mark.parametrize("name", sorted(_commands()))
def test_documented_options_exist_and_the_others_are_common(name: str) -> None:
    """Every option a line shows is the command's; none but the common ones is left out."""
    command = _commands()[name]
    options = {text for p in command.params for text in p.opts if text.startswith("--")}
    shown = set(re.findall(r"--[a-z-]+", _documented()[name]))
    assert shown <= options
    common = {f"--{name.replace('_', '-')}" for name in SHARED} | {
        "--as",
        "--role",
        "--purpose",
        "--force",
        "--help",
    }
    same_limits = "[the same limits]" in _documented()[name]
    assert same_limits or options - shown <= common | {"--roles"}


def test_exit_codes_are_the_errors() -> None:
    """Each error of the tree stands in the row of its exit code."""
    rows = {int(code): text for code, text in re.findall(r"^\| (\d+) \|(.*)\|$", PAGE, re.MULTILINE)}
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.VaultError)
    ]
    for kind in kinds:
        assert f"`{kind.__name__}`" in rows[kind.exit_code]
    assert rows.keys() == {0, 130} | {kind.exit_code for kind in kinds}


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("Kinds", model.KINDS),
        ("Roles", model.ROLES),
        ("Purposes", model.PURPOSES),
        ("Entry kinds", model.ENTRY_KINDS),
        ("Reasons", model.REASONS),
        ("Compartments", model.COMPARTMENTS),
        ("Actions", model.ACTIONS),
    ],
)
def test_closed_lists_are_the_models(title: str, words: tuple[str, ...]) -> None:
    """The closed lists are those of the code, in its order."""
    found = re.search(rf"^- {title}: `([a-z_ ]+)`$", PAGE, re.MULTILINE)
    assert found is not None
    assert tuple(found[1].split()) == words
