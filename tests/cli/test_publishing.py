"""The register of purposes as a page: complete, in either language, and nothing in it runs or loads."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from commands import run

from vault.access.policy import default_text


@pytest.fixture
def elsewhere(tmp_path: Path) -> tuple[str, Path]:
    """No vault: the shipped policy is published."""
    return "--vault", tmp_path / "none"


class _Tags(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_register_is_one_page_that_loads_nothing(
    elsewhere: tuple[str, Path], tmp_path: Path, lang: str
) -> None:
    """No script, no address, every purpose with its basis; what a policy says is escaped."""
    policy = tmp_path / "p.toml"
    text = default_text().replace('zh = "还款提醒"', "zh = \"<script>alert('x')</script>还款\"", 1)
    policy.write_text(text, "utf-8")
    out = tmp_path / "page.html"
    done = run(*elsewhere, "policy", "publish", "--out", out, "--lang", lang, "--policy", policy, "--json")
    assert (done.code, done.json["purposes"], done.json["file"]) == (0, 17, str(out))
    page = out.read_text("utf-8")
    tags = _Tags()
    tags.feed(page)
    allowed = "html head meta title style body h1 h2 p br table tr th td"
    assert set(tags.tags) <= set(allowed.split())
    assert tags.attributes <= {"lang", "charset", "http-equiv", "name", "content", "id"}
    assert "://" not in page
    assert f'lang="{lang}"' in page
    assert page.count("<h2") == 17
    assert ("去标识化" if lang == "zh" else "de-identified") in page
    assert ("结清日" if lang == "zh" else "settlement") in page
    assert "<script>" not in page


def test_the_register_in_markdown_and_json(elsewhere: tuple[str, Path], tmp_path: Path) -> None:
    """The extension chooses; Markdown keeps a policy's marks from being mark-up."""
    policy = tmp_path / "p.toml"
    policy.write_text(default_text().replace('zh = "还款提醒"', 'zh = "a|b <b> [c](d)"', 1), "utf-8")
    md = tmp_path / "page.md"
    assert run(*elsewhere, "policy", "publish", "--out", md, "--lang", "en", "--policy", policy).code == 0
    text = md.read_text("utf-8")
    assert "## repayment\\_reminder (a\\|b &lt;b&gt; \\[c\\](d))" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    data = tmp_path / "page.json"
    run(*elsewhere, "policy", "publish", "--out", data)
    assert b'"purpose": "modelling"' in data.read_bytes()


def test_the_register_speaks_for_the_vaults_own_duties(sandbox: Path, tmp_path: Path) -> None:
    """An agency's page says what binds an agency; a lender's floor isn't on it."""
    out, both = tmp_path / "own.md", tmp_path / "both.md"
    assert run("--vault", sandbox, "policy", "publish", "--out", out, "--lang", "en").code == 0
    assert run("--vault", tmp_path / "none", "policy", "publish", "--out", both, "--lang", "en").code == 0
    assert "反洗钱法" not in out.read_text("utf-8")
    assert "反洗钱法" in both.read_text("utf-8")


def test_what_cannot_be_published_is_refused(elsewhere: tuple[str, Path], tmp_path: Path) -> None:
    """An unknown extension or language is 2, and a file that is there stays unless --force says so."""
    at = (*elsewhere, "policy", "publish", "--out")
    assert run(*at, tmp_path / "page.pdf", "--json").error["field"] == "out"
    assert run(*at, tmp_path / "page.md", "--lang", "fr", "--json").error["field"] == "lang"
    (tmp_path / "page.md").write_text("mine")
    assert run(*at, tmp_path / "page.md").code == 2
    assert (tmp_path / "page.md").read_text() == "mine"
    assert run(*at, tmp_path / "page.md", "--force").code == 0
    assert (tmp_path / "page.md").read_text("utf-8").startswith("# ")


def test_agencies_under_contract_stand_as_recipients(sandbox: Path, tmp_path: Path) -> None:
    """For the purposes of a contract that runs, and for no others."""
    at = ("--vault", sandbox, "--sandbox", "--json")
    add = ("principal", "add", "--name", "青松", "--sort", "agency", "--role", "agency_collector")
    agency = run(*add, "--out", tmp_path / "a.principal", *at).json["principal"]
    contract = ("agency", "contract", agency, "--reference", "HT-1", "--purposes", "phone_collection")
    assert run(*contract, "--starts", "2020-01-01", "--ends", "2999-01-01", *at).code == 0
    assert run("policy", "publish", "--out", tmp_path / "p.json", *at).code == 0
    rows = json.loads((tmp_path / "p.json").read_text("utf-8"))["purposes"]
    assert {row["purpose"]: row["recipients"] for row in rows if row["recipients"]} == {
        "phone_collection": ["青松"]
    }
