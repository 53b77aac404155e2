"""`cvault access review`: on a terminal, as JSON, as cells and as a page to sign; in both languages."""

from __future__ import annotations

import csv
import io
import re
import shlex
import string
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer
from commands import Ran, run
from kit import make_vault
from reviewkit import everything
from rich.cells import cell_len

from cli import access_words
from cli.access_words import LANGUAGES, Words
from cli.main import app
from vault.access.policy import Policy, default_text
from vault.enrolling import Enrolment
from vault.schema_own import load

POLICY = Policy.load(default_text(), load(Path(__file__).parent))


def office(folder: Path, name: str = "<b>=1+1</b>") -> Path:
    """A plain vault with an auditor, an agency and its one collector, whose name is no name."""
    made = make_vault(folder, sandbox=False)
    room = made.vault.granting()
    auditor = room.add_principal(made.identity, name="auditor", roles=("auditor",))
    firm = room.add_principal(
        made.identity, name="青松", roles=("agency_collector",), more=Enrolment(sort="agency")
    )
    room.add_principal(
        made.identity, name=name, roles=("agency_collector",), more=Enrolment(agency=firm.principal)
    )
    made.vault.close()
    (made.folder / "auditor.principal").write_bytes(auditor.to_json())
    (made.folder / "admin.principal").write_bytes(made.identity.to_json())
    return made.folder


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """Such a vault."""
    return office(tmp_path)


def review(vault: Path, *more: object, who: str = "auditor", **env: str) -> Ran:
    """Run the command as somebody."""
    return run("--vault", vault, "--as", vault / f"{who}.principal", "access", "review", *more, **env)


def test_json_holds_powers_findings_and_files(vault: Path) -> None:
    """Everyone with their powers; instants are ISO, ends are days, and each finding has its sentence."""
    found = review(vault, "--json").json
    assert set(found) == {
        "tenant", "at", "day", "days", "unused", "since", "policy", "purposes", "sandbox", "holders",
        "agencies", "findings", "files",
    }  # fmt: skip
    assert (found["tenant"], found["days"], found["unused"], found["files"]) == ("main", 7, 90, {})
    admin = next(holder for holder in found["holders"] if holder["name"] == "first principal")
    assert set(admin) == {
        "principal", "name", "sort", "agency", "disabled", "added", "staff_number", "attested", "needs",
        "powers",
    }  # fmt: skip
    (power,) = admin["powers"]
    assert set(power) == {
        "role", "zh", "purposes", "since", "by", "by_name", "last_day", "over", "used", "used_for", "entry",
        "looked", "glass", "never_used",
    }  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", power["since"])
    (number,) = (f for f in found["findings"] if f["code"] == "no_staff_number")
    assert set(number) == {"level", "code", "about", "parts", "command", "sentence"}
    assert number["sentence"].startswith("first principal holds admin without a staff number")


def test_who_may_not_ask(plain: Path) -> None:
    """A collector is denied, and nothing is written."""
    denied = review(plain, "--json", "--csv", plain / "out.csv", who="collector")
    assert (denied.code, denied.error["code"]) == (3, "role_denied")
    assert not (plain / "out.csv").exists()


@pytest.mark.parametrize("locale", ["C.UTF-8", "zh_CN.UTF-8"])
def test_a_terminal_of_eighty_columns_is_enough(vault: Path, locale: str) -> None:
    """No line is wider, nothing is coloured, and no name is lost."""
    said = review(vault, LC_ALL=locale, COLUMNS="80").out
    assert max(cell_len(line.rstrip()) for line in said.splitlines()) <= 80
    assert "\x1b" not in said
    assert "<b>=1+1</b>" in said
    assert ("权限复核" in said) == (locale != "C.UTF-8")
    assert ("Access review" in said) == (locale == "C.UTF-8")


def test_the_language_may_be_chosen(vault: Path) -> None:
    """--lang goes before the locale; an unknown one is a usage error."""
    assert "权限复核" in review(vault, "--lang", "zh").out
    assert "Access review" in review(vault, "--lang", "en", LC_ALL="zh_CN.UTF-8").out
    assert review(vault, "--lang", "fr").code == 2


def test_cells_that_no_spreadsheet_runs(tmp_path: Path) -> None:
    """One row for each power, by titles; a name that is a formula has the sign before it. 0600."""
    vault = office(tmp_path, "=cmd|x")
    path = tmp_path / "review.csv"
    done = review(vault, "--csv", path)
    assert (done.code, done.out) == (0, "")
    assert path.stat().st_mode & 0o777 == 0o600
    titles, *rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
    assert len(rows) == 4
    assert all(len(row) == len(titles) for row in rows)
    row = next(row for row in rows if "cmd" in row[titles.index("name")])
    assert row[titles.index("name")] == "'=cmd|x"
    assert row[titles.index("agency_name")] == "青松"
    assert row[titles.index("role")] == "agency_collector"
    first = next(row for row in rows if row[titles.index("name")] == "first principal")
    assert "no_staff_number" in first[titles.index("findings")].split()
    assert review(vault, "--csv", path).code == 2
    assert review(vault, "--csv", path, "--force").code == 0


class Tags(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.texts.append(data)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_to_sign_that_runs_nothing(vault: Path, tmp_path: Path, language: str) -> None:
    """One file without script, link or picture; names are text; every power has a place to decide. 0600."""
    path = tmp_path / "review.html"
    done = review(vault, "--html", path, "--lang", language, "--json")
    assert done.json["files"] == {"html": str(path)}
    assert path.stat().st_mode & 0o777 == 0o600
    page = Tags()
    page.feed(path.read_text("utf-8"))
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "a", "b", "form"}
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "<b>=1+1</b>" in page.texts
    words = Words("en" if language == "en" else "zh")
    powers = sum(len(holder["powers"]) for holder in done.json["holders"])
    assert page.texts.count(words("keep")) == powers == 4
    assert {words("sign"), words("sign.signature"), words("findings")} <= set(page.texts)
    assert ("html", {"lang": language}) in page.tags


def test_every_finding_has_a_sentence_in_both_languages() -> None:
    """Each code there is, with all its parts filled in; no two languages say the same."""
    findings = everything(POLICY)
    assert {finding.code for finding in findings} == access_words._FINDINGS.keys()
    for finding in findings:
        chinese, english = (Words(language).sentence(finding) for language in ("zh", "en"))
        assert chinese != english
        assert "{" not in chinese + english
        assert not re.search(r"[\u4e00-\u9fff]", english)
        assert finding.parts.get("name", "") in chinese


def test_both_languages_say_the_same_parts() -> None:
    """No translation drops or adds a part, but for how a sort of principal is called."""

    def parts(text: str) -> set[str]:
        names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        return {name.removesuffix("_zh").removesuffix("_en") for name in names}

    for chinese, english in (access_words._WORDS | access_words._FINDINGS).values():
        assert parts(chinese) == parts(english)


def test_commands_that_mend_are_commands() -> None:
    """Command, options and arguments are taken as they stand; capitals stand for what the reader decides."""
    known = typer.main.get_command(app)
    for finding in everything(POLICY):
        for command in finding.command.split("; "):
            words = shlex.split(command)
            assert words[0] == "cvault"
            one, rest = known.commands.get(words[1]), words[2:]  # type: ignore[attr-defined]
            if hasattr(one, "commands"):
                one, rest = one.commands[words[2]], words[3:]
            if one is not None:
                assert one.make_context(words[1], rest).params
