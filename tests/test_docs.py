"""What is written is true: links, commands, paths, dependencies, decisions, versions."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pytest
import typer
from kit import borrowers, make_vault

from cli.main import app

ROOT: Final = Path(__file__).parent.parent
READMES: Final = ("README.md", "README.zh.md")
_HIDDEN: Final = (".", "node_modules")
PAGES: Final = sorted(
    page.relative_to(ROOT).as_posix()
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(_HIDDEN) for part in page.relative_to(ROOT).parts)
)
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)", re.MULTILINE)
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`(cvault [^`]+)`")
_PATH: Final = re.compile(r"(?<![\w./-])(?:docs|tests|vault|cli|benchmarks)/[\w./-]*\w")
_MACHINE: Final = re.compile(r"(?<![\w.~-])/(?:work|root|tmp|home|Users)\b")
_REDIRECTED: Final = re.compile(r" [<>] \S+$")
_RUNS_OWN: Final = re.compile(r"(?<=plan-)\w+|\d{4}-\d\d-\d\dT[\d:]+Z")
_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9-]+")


def text(page: str) -> str:
    """A page's text."""
    return (ROOT / page).read_text("utf-8")


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text(page))


def settings() -> dict[str, Any]:
    """What pyproject.toml holds."""
    return tomllib.loads(text("pyproject.toml"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def typed(page: str) -> list[list[str]]:
    """The commands a README's blocks tell the reader to type, without `uv run` before and `< FILE` after."""
    lines = [
        _REDIRECTED.sub("", line.removeprefix("$ "))
        for _, block in _FENCE.findall(text(page))
        for line in block.splitlines()
    ]
    found = [re.search(r"(?:^|uv run )(cvault(?: .*)?)$", line) for line in lines]
    return [shlex.split(hit[1]) for hit in found if hit]


def mentioned(page: str) -> list[list[str]]:
    """The commands a page names in its sentences."""
    return [shlex.split(command) for command in _INLINE.findall(prose(page))]


def accept(words: list[str]) -> None:
    """Demand that `cvault` takes these words: command, options, arguments and their types; nothing is run."""
    command: Any = typer.main.get_command(app)
    parent, name, rest = None, words[0], words[1:]
    while True:
        context = command.make_context(name, list(rest), parent=parent)
        if not hasattr(command, "commands"):
            return
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None, words
        parent = context


def path_of(words: list[str]) -> str:
    """Which command the words call: `log list`."""
    command: Any = typer.main.get_command(app)
    path = []
    for word in words[1:]:
        if word in getattr(command, "commands", {}):
            command = command.commands[word]
            path.append(word)
    return " ".join(path)


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    """Files and folders linked to exist, and so do the headings."""
    for inline, reference in _LINK.findall(prose(page)):
        target = unquote(inline or reference)
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (ROOT / page).parent / name if name else ROOT / page
        assert there.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(there), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_every_path_of_the_repository_named_in_a_sentence_exists(page: str) -> None:
    """`docs/…`, `tests/…` and the like are there; `docs/adr/0004` may stand for the file it begins."""
    for name in _PATH.findall(prose(page)):
        assert (ROOT / name).exists() or list(ROOT.glob(f"{name}*")), f"{page}: {name}"


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_a_folder_of_somebodys_machine(page: str) -> None:
    """A path that exists on the writer's machine alone helps nobody."""
    assert _MACHINE.findall(text(page)) == []


@pytest.mark.parametrize("page", PAGES)
def test_masked_data_is_never_called_more_than_de_identified(page: str) -> None:
    """Neither language's stronger word is used, not even to deny it."""
    assert not re.search(r"anonym|匿名", text(page), re.IGNORECASE)


@pytest.mark.parametrize("page", READMES)
def test_every_command_of_a_readme_is_one(page: str) -> None:
    """Each is taken as it stands: the command exists, has these options, and lacks none it needs."""
    commands = typed(page) + mentioned(page)
    assert len(commands) > 30
    for words in commands:
        assert path_of(words), f"{page}: {shlex.join(words)}"
        accept(words)


def test_a_command_that_is_none_is_noticed() -> None:
    """The test above can fail: at a wrong name, a wrong option, a missing one and a wrong type."""
    for words in ("cvault logs list", "cvault log list --sideways", "cvault token issue --role collector",
                  "cvault read --limit 3 r-1", "cvault list --limit many"):  # fmt: skip
        with pytest.raises(Exception, match=r"(?i)no such|missing|valid integer"):
            accept(shlex.split(words))


@pytest.mark.parametrize(
    "name",
    ["backup", "restore", "drill restore", "serve", "subject show", "subject export",
     "subject restrict", "subject erase",
      "verify-value",
     "keys rotate", "keys move", "retention notice"],
)  # fmt: skip
def test_what_is_said_not_to_be_built_is_not(name: str) -> None:
    """Whoever builds one takes it off the lists in both READMEs and SECURITY.md, and off this one."""
    assert path_of(["cvault", *name.split()]) != name


def test_both_readmes_tell_the_same_commands() -> None:
    """In the same order, options included; ids of plans and instants are each run's own."""
    english, chinese = ([_RUNS_OWN.sub("", shlex.join(words)) for words in typed(page)] for page in READMES)
    assert english == chinese


@pytest.mark.parametrize("page", READMES)
def test_a_readme_begins_with_the_two_commands(page: str) -> None:
    """The demo and the tests, each alone in a block, before anything else that can be typed."""
    blocks = [block.strip() for _, block in _FENCE.findall(text(page))]
    assert blocks[:2] == ["pip install uv && uv run cvault demo", "pip install uv && uv run pytest"]
    assert text(page).index(blocks[1]) < 2500


@pytest.mark.parametrize("page", READMES)
def test_a_readmes_figures_are_the_measured_ones(page: str) -> None:
    """Each stands in docs/performance.md, and beside it the command that measures it again."""
    figures = re.findall(r"[\d,.]*\d (?:µs|×)", text(page))
    measured = set(re.findall(r"\d[\d,.]*\d|\d", text("docs/performance.md")))
    assert len(figures) >= 8
    assert {figure.split()[0] for figure in figures} <= measured
    rows = [line for line in text(page).splitlines() if line.startswith("|") and "µs" in line]
    assert all("`uv run python -m benchmarks --" in row for row in rows)


@pytest.mark.parametrize("page", PAGES)
def test_the_benchmarks_know_every_option_a_page_names(page: str) -> None:
    """A figure's command can be run again as it stands."""
    for command in re.findall(r"python -m benchmarks((?: [^`#\n]*)?)", text(page)):
        for option in re.findall(r"--\w+", command):
            assert f'"{option}"' in text("benchmarks/__main__.py"), f"{page}: {option}"


def test_the_dependencies_page_names_every_dependency_and_no_other() -> None:
    """Runtime and extras in the table, the development tools in the sentence below it."""
    project = settings()
    extras = project["project"]["optional-dependencies"].values()
    needed = {_name(spec) for group in (project["project"]["dependencies"], *extras) for spec in group}
    tools = {_name(spec) for spec in project["dependency-groups"]["dev"]} - needed
    page = text("docs/dependencies.md")
    rows = [row.split("|")[1] for row in page.splitlines() if row.startswith("|")][2:]
    named = {_name(part) for row in rows for part in re.sub(r"\(.*?\)", "", row).split(",")}
    sentence = re.search(r"^Development only: (.*?)\n\n", page, re.MULTILINE | re.DOTALL)
    assert sentence is not None
    listed = re.sub(r"\(.*?\)", "", sentence[1], flags=re.DOTALL).rstrip(".").split(",")
    assert named == needed
    assert {_name(part) for part in listed} == tools


def _name(spec: str) -> str:
    hit = _REQUIREMENT.match(spec.strip())
    assert hit is not None, spec
    return hit[0].lower()


def test_the_index_of_decisions_is_complete() -> None:
    """Every decision stands in the index with its number, title and status."""
    rows = re.findall(
        r"^\| \[(\d{4})\]\((\S+)\) \| (.+?) \| ?(.*?) ?\|$", text("docs/adr/README.md"), re.MULTILINE
    )
    assert [row[0] for row in rows] == [f"{n:04}" for n in range(len(rows))]
    assert {row[1] for row in rows} == {p.name for p in (ROOT / "docs/adr").glob("[0-9]*.md")}
    for number, name, title, status in rows[1:]:
        page = text(f"docs/adr/{name}")
        assert page.startswith(f"# {number}. {title}\n")
        assert f"- Status: {status}\n" in page


def test_the_changelog_begins_with_this_version() -> None:
    """The newest heading is pyproject's version."""
    newest = re.search(r"^## \[([^\]]+)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == settings()["project"]["version"]


@pytest.mark.parametrize("picture", sorted((ROOT / "docs/pictures").glob("*.svg")), ids=lambda p: p.name)
def test_pictures_load_nothing_from_elsewhere(picture: Path) -> None:
    """Nothing is fetched and nothing runs when a page shows them."""
    drawn = picture.read_text("utf-8")
    assert not re.search(r"<script|@import|url\(\s*[\"']?https?:|href=[\"']https?:", drawn)


def test_the_pictures_script_parses() -> None:
    """It is Python that uses what the demo has."""
    names = {
        (node.module, alias.name)
        for node in ast.walk(ast.parse(text("docs/pictures/make.py")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cli")
        for alias in node.names
    }
    for module, name in names:
        source = ROOT / f"{(module or '').replace('.', '/')}"
        there = source.with_suffix(".py")
        assert (source / f"{name}.py").exists() or re.search(rf"\b{name}\b", there.read_text("utf-8"))


def test_the_services_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """docs/services.md: a call sent twice is written once; a wrong case is named by its code."""
    made = make_vault(tmp_path)
    made.load(borrowers(1))
    token = tmp_path / "token"
    token.write_bytes(made.token("importer").to_json())
    found: dict[str, Any] = {}
    (example,) = (block for word, block in _FENCE.findall(text("docs/services.md")) if word == "python")
    exec(compile(example, "docs/services.md", "exec"), found)  # noqa: S102  the page's own words
    for _ in range(2):
        found["record_call"](made.vault, token, "call-1", borrowers(1)[0]["案件编号"], "承诺")
    first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert (first[:3], first[3:], second[3:]) == (second[:3], ["stored"], ["as", "it", "was"])
    with pytest.raises(RuntimeError, match="call-2: invalid_ref"):
        found["record_call"](made.vault, token, "call-2", "AJ-0", "承诺")
