"""What the benchmarks run on: a vault filled by a real import, and the same rows in plain SQLAlchemy.

Everything in it is invented and comes out the same from the same number of rows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Column, Connection, Engine, MetaData, Table, Text, create_engine, event, insert

from vault.access.tokens import Credential
from vault.intake import open_export
from vault.model import Draft
from vault.schema import builtin
from vault.stores.engine import PRAGMAS
from vault.taking import CHUNK_ROWS
from vault.vault import Vault

HEADER: Final = (
    "案件编号,客户姓名,证件号,手机,银行卡号,户籍地址,单位名称,电子邮箱,"
    "委案日期,逾期天数,欠款余额,紧急联系人,联系人电话,与本人关系"
)
LAYOUT: Final = ("borrower", "loan", "contact_person")
ASK: Final = 500
"""External ids resolved to record ids at a time."""

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_SURNAMES: Final = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"
_GIVEN: Final = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平"
_TOWNS: Final = ("四川省成都市武侯区", "浙江省杭州市余杭区", "北京市朝阳区", "广东省深圳市南山区")


def ref(number: int) -> str:
    """The external id of the borrower of this number."""
    return f"AJ{number:07d}"


def _id_number(number: int) -> str:
    """A resident's number with its check character (GB 11643)."""
    born = date(1960, 1, 1) + timedelta(days=number // 1000)
    body = f"110101{born:%Y%m%d}{number % 1000:03d}"
    return body + "10X98765432"[sum(int(a) * b for a, b in zip(body, _WEIGHTS, strict=True)) % 11]


def _bank_card(number: int) -> str:
    """A card number with its check digit (ISO/IEC 7812-1, Luhn)."""
    body = f"622202{number:012d}"
    doubled = [sum(divmod(int(digit) * 2, 10)) for digit in body[-1::-2]]
    return body + str(-(sum(doubled) + sum(int(digit) for digit in body[-2::-2])) % 10)


def _line(number: int) -> str:
    surname, given = _SURNAMES[number % 16], _GIVEN[number % 20] + _GIVEN[number // 20 % 20]
    return ",".join((
        ref(number), surname + given, _id_number(number), f"138{number:08d}", _bank_card(number),
        f"{_TOWNS[number % 4]}人民南路{number % 900 + 1}号", f"{_TOWNS[number % 4][3:5]}某某科技有限公司",
        f"user{number}@example.com", "2026/03/01", str(number % 180), f"{number % 90000 + 1000}.50",
        _SURNAMES[number // 7 % 16] + _GIVEN[number // 3 % 20], f"139{number:08d}", "朋友",
    ))  # fmt: skip


def columns_of(number: int) -> dict[str, str]:
    """The row of this borrower by its columns' titles."""
    return dict(zip(HEADER.split(","), _line(number).split(","), strict=True))


def write_export(path: Path, numbers: range) -> Path:
    """A creditor's export of these borrowers: a borrower, a loan and a contact person on each row.

    No two of ten million share a case, ID, card or telephone number, and each of these is a valid one.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{HEADER}\n")
        file.writelines(f"{_line(number)}\n" for number in numbers)
    return path


class Plain:
    """The same fields without protection: one table a kind, SQLite with the vault's own settings."""

    def __init__(self, file: Path) -> None:
        self.engine = _plain_engine(file)
        metadata = MetaData()
        self.tables = {
            kind: Table(
                kind,
                metadata,
                Column("id", Text, primary_key=True),
                Column("ref", Text, index=True),
                *(Column(name, Text) for name in builtin().kind(kind).fields),
            )
            for kind in LAYOUT
        }
        metadata.create_all(self.engine)

    def rows(self, drafts: list[Draft], ids: Iterator[str]) -> dict[str, list[dict[str, str | None]]]:
        """Rows for parsed drafts, by kind."""
        made: dict[str, list[dict[str, str | None]]] = {kind: [] for kind in LAYOUT}
        for draft in drafts:
            empty: dict[str, str | None] = dict.fromkeys(builtin().kind(draft.kind).fields)
            made[draft.kind].append({"id": next(ids), "ref": draft.ref, **empty, **draft.values})
        return made

    def put(self, connection: Connection, rows: dict[str, list[dict[str, str | None]]]) -> None:
        """Insert rows of several kinds."""
        for kind, part in rows.items():
            if part:
                connection.execute(insert(self.tables[kind]), part)


def _plain_engine(file: Path) -> Engine:
    engine = create_engine(f"sqlite:///{file}", pool_size=64, max_overflow=0)

    def settings(driver: Any, _record: object) -> None:
        for pragma in PRAGMAS:
            driver.execute(pragma).fetchall()

    event.listen(engine, "connect", settings)
    return engine


def chunks(path: Path) -> Iterator[list[Draft]]:
    """An export's drafts, parsed by the vault's own intake, in chunks of as many rows as an import takes."""
    export = open_export(path, builtin(), kind="borrower", today=date(2026, 3, 2))
    chunk: list[Draft] = []
    for number, row in enumerate(export.rows(), 1):
        chunk += row.drafts
        if number % CHUNK_ROWS == 0:
            yield chunk
            chunk = []
    yield chunk


class World:
    """A vault and a plain database that hold the same borrowers.

    Attributes:
        ids: The borrowers' record ids, which are the plain rows' ids too.
    """

    def __init__(self, folder: Path, borrowers: int) -> None:
        """Make both and fill them; the vault through its own import."""
        self.folder = folder
        self.vault, self._admin = Vault.init(folder / "vault", sandbox=True)
        self.plain = Plain(folder / "plain.db")
        export = write_export(folder / "export.csv", range(borrowers))
        done = self.vault.writing().import_file(
            self.credential("importer", "import"), export, kind="borrower", report=folder / "report.jsonl"
        )
        if done.stored.get("borrower") != borrowers:
            raise RuntimeError(f"the import refused rows: see {done.report}")
        self.ids = self._ids(borrowers)
        self._fill(export)

    def credential(self, role: str = "collector", purpose: str = "repayment_reminder") -> Credential:
        """A fresh token."""
        return self.vault.granting().issue(self._admin, role=role, purpose=purpose)

    def sample(self, count: int, seed: int = 1) -> list[str]:
        """Record ids at random, the same for the same seed."""
        return random.Random(seed).choices(self.ids, k=count)  # noqa: S311 - a sample, no secret

    def _ids(self, borrowers: int) -> list[str]:
        record_of = self.vault.tenancy().record_of
        return [record for n in range(borrowers) if (record := record_of(f"borrower:{ref(n)}"))]

    def _fill(self, export: Path) -> None:
        others = (f"x-{n}" for n in range(10 * len(self.ids)))
        borrowers = iter(self.ids)
        for drafts in chunks(export):
            with self.plain.engine.begin() as connection:
                for kind in LAYOUT:
                    part = [draft for draft in drafts if draft.kind == kind]
                    ids = borrowers if kind == "borrower" else others
                    self.plain.put(connection, self.plain.rows(part, ids))

    def __enter__(self) -> Self:
        """Use in a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close both."""
        self.vault.close()
        self.plain.engine.dispose()
