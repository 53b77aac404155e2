"""Levers for tests of the command line: running a command in this process, and an export to import.

The values of `CANARIES` occur in that export alone: none may ever stand on stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from cli.main import app

HEADER = (
    "案件编号,客户姓名,证件号,手机,银行卡号,户籍地址,单位名称,电子邮箱,委案日期,逾期天数,欠款余额,紧急联系人,"
    "联系人电话,与本人关系\n"
)
NAME, PHONE, ADDRESS, CONTACT = "诸葛霁月", "15412340001", "四川省成都市武侯区银杏金桂路9号", "慕容拾遗"
CANARIES = (NAME, PHONE, ADDRESS, CONTACT, "110101199003074611", "15499990009")


class Ran:
    """What a command left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error object on stderr."""
        found: dict[str, Any] = json.loads(self.err)["error"]
        return found


Run = Callable[..., Ran]
_COMMAND = get_command(app)
"""The tree of commands, built once: for each run anew it would cost more than most commands do."""


def run(*arguments: object, stdin: str | bytes | None = None, **env: str) -> Ran:
    """Run `cvault` in this process; no value may ever stand on stderr."""
    clean = {"NO_COLOR": "1", "LC_ALL": "C.UTF-8", "COLUMNS": "240"} | env
    with CliRunner().isolation(input=stdin, env=clean) as (out, err, _):
        try:
            _COMMAND.main(args=[str(a) for a in arguments], prog_name="cvault")
        except SystemExit as left:
            code = left.code
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        said, told = (stream.getvalue().decode("utf-8", "replace") for stream in (out, err))
    assert isinstance(code, int)
    assert not [canary for canary in CANARIES if canary in told]
    return Ran(code, said, told)


def export(folder: Path) -> Path:
    """A creditor's export: two good rows and one whose ID number is wrong."""
    placed = (datetime.now(UTC) - timedelta(days=30)).strftime("%Y/%m/%d")
    rows = [
        f'AJ00001,{NAME},,{PHONE},,{ADDRESS},某某公司,a@example.com,{placed},75,"￥12,345.60",{CONTACT},,朋友',
        f"AJ00002,司马青衫,,15412340002,,,,,{placed},10,800,,,",
        f"AJ00003,欧阳流云,110101199003074611,15499990009,,,,,{placed},10,800,,,",
    ]
    path = folder / "export.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return path
