"""The page of a report: plain, escaped, in two languages; nothing of anybody's data in it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
from kit import Made, canaries, leaks, make_vault
from reportkit import ROWS, checked, filled, room

from vault.auditing import Report
from vault.ledger.registry import Principal
from vault.model import Happening, Who, Whom
from vault.unsealing import Unsealer

HOSTILE: Final = '</pre><pre id="cvault-proof" hidden><script>alert("&\'x\')</script><b>'


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A sandbox with three borrowers; the first was read twice, refused once and read in clear."""
    made = filled(make_vault(tmp_path))
    yield made
    made.vault.close()


def document_of(report: Report) -> bytes:
    """The proof inside, decoded."""
    packed = re.search(rb'cvault-proof" hidden>([^<]+)</pre>', report.file)
    assert packed
    return base64.b64decode(packed[1])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_value_is_in_a_report(made: Made, lang: str) -> None:
    """Neither page nor proof holds a value of any borrower, nor a case number, whatever was shown."""
    report = room(made).report(made.token("auditor"), made.ids(ROWS)[0], lang=lang)
    assert leaks(report.file, canaries(ROWS)) == []
    assert leaks(document_of(report), canaries(ROWS)) == []


def test_staff_stand_by_a_handle_and_not_by_name(made: Made) -> None:
    """The page has the end of the actor's random id and not what they are called."""
    report = room(made).report(made.token("auditor"), made.ids(ROWS)[0])
    registry = made.vault.tenancy().journal.registry()
    (principal, *_) = registry.all(Principal)
    page = report.file[: report.file.index(b"cvault-proof")].decode()
    assert principal.id[-6:] in page
    assert principal.id not in page
    assert principal.name not in report.file.decode()


class Page(HTMLParser):
    """Collects tags and text; demands that every tag is closed."""

    VOID: Final = frozenset({"meta", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.source = page
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it, and that it is open."""
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the one opened last."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.words.append(data)


TOLD: Final = {
    "zh": (
        "查看", "访问被拒绝", "法务", "诉讼仲裁", "完整：", "居民身份证号码", "脱敏：",
        "不允许查看所求字段",
        "个人信息保护法第13条第1款第2项：订立、履行合同所必需", "2026-03-16 10:00:00",
    ),
    "en": (
        "looked at", "an attempt, refused", "legal staff", "legal action",
        "a field asked for may not be seen",
        "PIPL 13 ¶1(2): needed to conclude or perform a contract", "2026-03-16 10:00:00",
    ),
}  # fmt: skip
"""What the page must say in plain words."""


@pytest.mark.parametrize(("lang", "html_lang"), [("zh", "zh-CN"), ("en", "en")])
def test_the_page_is_plain_and_loads_nothing(made: Made, lang: str, html_lang: str) -> None:
    """Its language is said, its tables have scoped heads and captions; no script, no link, no resource."""
    report = room(made).report(made.token("auditor"), made.ids(ROWS)[0], lang=lang)
    page = Page(report.file.decode())
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "a", "form", "object", "embed", "base"}
    assert not {name for _, attrs in page.tags for name in attrs} & {
        "src",
        "href",
        "onclick",
        "onload",
        "action",
    }
    assert page.tags[0] == ("html", {"lang": html_lang})
    assert all(attrs.get("scope") in {"col", "row"} for tag, attrs in page.tags if tag == "th")
    assert sum(tag == "caption" for tag, _ in page.tags) == sum(tag == "table" for tag, _ in page.tags) == 2
    said = "".join(page.words)
    for words in TOLD[lang]:
        assert words in said
    assert "url(" not in said
    assert "@page{size:A4" in said


def test_the_long_table_fits_paper_and_a_telephone(made: Made) -> None:
    """Its columns have widths of their own; where a row is a card, each cell brings its column's title."""
    page = Page(room(made).report(made.token("auditor"), made.ids(ROWS)[0], lang="zh").file.decode())
    assert '<meta name="viewport" content="width=device-width">' in page.source
    titles = [attrs["data-t"] for _, attrs in page.tags if "data-t" in attrs]
    assert titles[:7] == ["序号", "时间（北京时间）", "事项", "何人", "目的与依据", "涉及的信息", "结果"]
    assert len(titles) % 7 == 0
    assert ".list{table-layout:fixed}" in page.source


def hostile(made: Made) -> str:
    """Make every free text near an entry hostile: the agency's name, the case, the ticket."""
    tenancy, (ident, *_) = made.vault.tenancy(), made.ids(ROWS)
    subject = Unsealer(tenancy).people(ident)[0]
    (row,) = made.vault.stores.keys.subjects("main", [subject])
    with tenancy.journal.page() as page:
        page.put(Principal(id="p<&>", name="one of theirs", public=b"q" * 32, roles=(), agency="p-agency"))
        page.put(Principal(id="p-agency", name=HOSTILE, public=b"p" * 32, roles=()))
        page.add(
            Happening(
                kind="read",
                who=Who(
                    actor="p<&>", role=HOSTILE, purpose=HOSTILE, about=HOSTILE, reason=HOSTILE, outcome="o<"
                ),
                whom=Whom(subject=subject, case=HOSTILE, ticket=HOSTILE, record=HOSTILE, detail=HOSTILE),
                secret=tenancy.keeping.log_secret(row), shelf=row.shelf,
            )
        )  # fmt: skip
    return ident


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_people_wrote_can_not_break_out(made: Made, lang: str) -> None:
    """A hostile agency, case, ticket, role and purpose stand as text; the file still proves itself."""
    report = room(made).report(made.token("auditor"), hostile(made), lang=lang, with_whom=True)
    checked(made, report)
    page = Page(report.file.decode())
    assert not {tag for tag, _ in page.tags} & {"script", "b"}
    assert "".join(page.words).count(HOSTILE) >= 5
