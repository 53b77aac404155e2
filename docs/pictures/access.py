"""Draw the access review of a made-up office: `uv run python docs/pictures/access.py`.

Builds a vault in a temporary folder with made-up people, an agency whose contract has ended and a glass that
was broken, and writes what `cvault access review` prints as `access.svg` (English) and `access.zh.svg`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console

from cli.access_view import rendered
from cli.access_words import Language, Words
from vault.config import SHANGHAI
from vault.granting import Enrolment
from vault.reviewing import AccessReview
from vault.vault import Vault

HERE: Final = Path(__file__).parent
WIDTH: Final = 110
DAY: Final = 86_400_000_000

sys.path.insert(0, str(HERE))
from make import PAPER  # noqa: E402 - the script beside this one


class Calendar:
    """A clock that is turned by hand; gives µs UTC."""

    def __init__(self) -> None:
        self.now = int(datetime(2026, 6, 1, 9, 0, tzinfo=SHANGHAI).timestamp()) * 1_000_000

    def __call__(self) -> int:
        """The instant it stands at."""
        return self.now

    def turn(self, days: int) -> None:
        """Some days later."""
        self.now += days * DAY


def office(folder: Path) -> AccessReview:
    """Half a year in a small office, and its review."""
    calendar = Calendar()
    vault, admin = Vault.init(folder / "vault", clock=calendar)
    room = vault.granting()

    def add(name: str, *roles: str, **more: object):  # noqa: ANN202 - an identity
        return room.add_principal(admin, name=name, roles=roles, more=Enrolment(**more))  # type: ignore[arg-type]

    add("沈未央", "dpo", person="E1001")
    auditor = add("陆听澜", "auditor", person="E1002")
    add("顾长风", "approver")
    add("外呼系统", "dialer", sort="service", attested="")
    pine = add("青松委外", "agency_collector", sort="agency", attested="")
    terms = {"reference": "HT-2026-07", "purposes": ("repayment_reminder",)}
    room.engage(admin, pine.principal, starts="2026-06-01", ends="2026-11-10", **terms)
    worker = add("林知夏", "agency_collector", agency=pine.principal, attested="2026-11-26")
    room.issue(worker, role="agency_collector", purpose="repayment_reminder")
    calendar.turn(150)
    collector = add("许清欢", "collector", person="E1040", until={"collector": "2026-11-28"})
    gone = add("周别枝", "collector", person="E1041")
    room.disable(admin, gone.principal)
    calendar.turn(20)
    room.issue(collector, role="collector", purpose="repayment_reminder")
    room.break_glass(collector, role="legal", purpose="legal_action", reason="the court asks today")
    calendar.turn(4)
    with vault:
        return vault.reviewing().review_access(auditor)


def draw(review: AccessReview, path: Path, language: Language) -> None:
    """Write one picture."""
    page = Console(file=StringIO(), record=True, width=WIDTH, force_terminal=True, highlight=False)
    for part in rendered(review, Words(language)):
        page.print(part)
    title = "cvault access review（虚构数据）" if language == "zh" else "cvault access review: made-up people"
    drawn = page.export_svg(title=title, theme=PAPER, unique_id=f"access-{language}")
    # No fonts from elsewhere: a picture in a page must not make the reader's browser ask another server.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    drawn = drawn.replace("font-size: 20px", "font-size: 20.27px")  # as in make.py
    path.write_text("\n".join(line.rstrip() for line in drawn.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        found = office(Path(made))
    draw(found, HERE / "access.svg", "en")
    draw(found, HERE / "access.zh.svg", "zh")
