"""Levers for tests of the whole vault: a clock that stands still, rows of unique values, tokens by role.

Every sealed value that `borrower` makes is a canary: it occurs nowhere else, so finding it anywhere outside
a granted field means that it leaked.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import sqlite3
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from vault.access.tokens import Credential, Limits
from vault.config import SHANGHAI, Stores
from vault.granting import Identity
from vault.model import Disclosure, Draft, Shown
from vault.taking import Imported, ImportOptions
from vault.vault import Vault

START: Final = datetime(2026, 3, 16, 10, 0, tzinfo=SHANGHAI)
PURPOSE: Final = {
    "collector": "repayment_reminder", "agency_collector": "repayment_reminder", "case_desk": "dispute",
    "dialer": "phone_collection", "legal": "legal_action", "fraud_desk": "fraud_check",
    "qa_reviewer": "quality_review", "importer": "import", "auditor": "audit", "dpo": "administration",
    "regulator": "regulator", "admin": "administration",
}  # fmt: skip
"""A purpose that each role may act for out of the box."""

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_SURNAMES: Final = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"
_GIVEN: Final = "澹璟琤翊湛昶珩霂瑾谧岚翯泓骞昀筠"


class FrozenClock:
    """A clock that moves only when told to; gives µs UTC."""

    def __init__(self, start: datetime = START) -> None:
        self.now = int(start.timestamp() * 1_000_000)

    def __call__(self) -> int:
        """The instant it stands at."""
        return self.now

    def advance(self, **amount: float) -> None:
        """Move on by a `timedelta` given in words: `advance(days=3)`."""
        self.now += int(timedelta(**amount).total_seconds() * 1_000_000)


@dataclass
class Made:
    """A vault for a test, with its first principal and its clock."""

    vault: Vault
    identity: Identity
    clock: FrozenClock
    folder: Path
    outside: Path
    others: dict[str, Identity] = field(default_factory=dict)

    def token(
        self, role: str, purpose: str | None = None, *, limits: Limits | None = None, tenant: str = "main"
    ) -> Credential:
        """A token for a role, for the purpose `PURPOSE` names unless another is given."""
        return self.vault.granting(tenant).issue(
            self.others.get(tenant, self.identity),
            role=role,
            purpose=purpose or PURPOSE[role],
            limits=limits,
        )

    def file(self, rows: Sequence[Mapping[str, str]], name: str = "in.csv") -> Path:
        """An export file of these rows, outside the vault's folder."""
        path = self.outside / name
        path.write_text(export(rows), encoding="utf-8")
        return path

    def load(
        self,
        rows: Sequence[Mapping[str, str]],
        *,
        kind: str = "borrower",
        tenant: str = "main",
        relationship: str | None = None,
    ) -> Imported:
        """Import rows; the report lies in the vault's folder, so that it is searched with the rest."""
        return self.vault.writing(tenant).import_file(
            self.token("importer", tenant=tenant),
            self.file(rows),
            kind=kind,
            report=self.folder / "report.jsonl",
            options=ImportOptions(relationship=relationship),
        )

    def ids(self, rows: Sequence[Mapping[str, str]], tenant: str = "main") -> list[str]:
        """The record ids of these borrowers."""
        refs = [f"borrower:{row['客户编号']}" for row in rows]
        return [self.vault.tenancy(tenant).record_of(ref) or ref for ref in refs]

    def size(self, tenant: str = "main") -> int:
        """How many entries the access log has, but for alarms, which come where many are refused or seen."""
        found = self.vault.auditing(tenant).walk()
        return found.size - found.kinds.get("alarm", 0)

    def reopened(self) -> Made:
        """The same vault closed and opened again, as after a restart."""
        self.vault.close()
        return reopen(self)


def make_vault(
    tmp_path: Path,
    *,
    clock: FrozenClock | None = None,
    sandbox: bool = True,
    tenants: Sequence[str] = (),
    stores: Stores | None = None,
) -> Made:
    """A fresh vault under `tmp_path`; in a sandbox its one principal holds every role."""
    clock = clock or FrozenClock()
    vault, identity = Vault.init(tmp_path / "vault", sandbox=sandbox, clock=clock, stores=stores)
    made = Made(vault=vault, identity=identity, clock=clock, folder=tmp_path / "vault", outside=tmp_path)
    for tenant in tenants:
        made.others[tenant] = vault.add_tenant(identity, tenant)
    return made


def reopen(made: Made) -> Made:
    """Open the folder of a vault once more, beside the one that is open or after it was closed."""
    vault = Vault.open(made.folder, clock=made.clock)
    return replace(made, vault=vault)


# --- rows ---------------------------------------------------------------------------------------------


def luhn(digits: str) -> str:
    """Digits with the check digit of ISO/IEC 7812-1."""
    for check in "0123456789":
        total = 0
        for place, char in enumerate(reversed(digits + check)):
            digit = int(char) * (2 if place % 2 else 1)
            total += digit - 9 if digit > 9 else digit
        if total % 10 == 0:
            return digits + check
    raise AssertionError


def id_number(digits: str) -> str:
    """Seventeen digits with the check character of GB 11643-1999."""
    total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return digits + "10X98765432"[total % 11]


def borrower(n: int) -> dict[str, str]:
    """The n-th borrower as a row of a creditor's export; every sealed value is its own (n < 1000)."""
    a, b, c = _SURNAMES[n % 16], _GIVEN[n // 16 % 16], _GIVEN[(n * 7 + 3) % 16]
    day = datetime(1961, 3, 7, tzinfo=SHANGHAI) + timedelta(days=n)
    return {
        "案件编号": f"AJ-7{n:05d}",
        "客户编号": f"KH-9{n:05d}",
        "客户姓名": f"{a}{b}{c}",
        "证件号": id_number(f"510107{day:%Y%m%d}{n:03d}"),
        "手机": f"138{27400000 + n}",
        "备用电话": f"139{58600000 + n}",
        "电子邮箱": f"canary{n:03d}.mail@example.com",
        "户籍地址": f"四川省成都市武侯区鹦哥胡同{n + 8000}号",
        "现住址": f"浙江省杭州市西湖区杜鹃弄{n + 8000}号",
        "单位名称": f"金丝雀贸易{n + 8000}有限公司",
        "银行卡号": luhn(f"622202{n + 730000000:09d}"),
        "委案日期": "2026-03-01",
        "逾期天数": str(30 + n % 100),
        "欠款余额": f"{73000 + n}.37",
        "本金": f"{51000 + n}.83",
        "产品": "消费贷",
        "委托方": "示例银行",
        "紧急联系人": f"{b}{a}{c}",
        "联系人电话": f"137{69100000 + n}",
        "与本人关系": "朋友",
    }


def attempt(n: int, borrower_n: int) -> dict[str, str]:
    """A contact attempt with a note that occurs nowhere else."""
    return {
        "联系记录编号": f"LX-5{n:05d}",
        "案件编号": f"AJ-7{borrower_n:05d}",
        "联系渠道": "电话",
        "联系日期": "2026-03-10",
        "联系结果": "已接通",
        "催记": f"对方称金丝雀事由{n + 8000}，下周再谈",
    }


def borrowers(count: int, first: int = 0) -> list[dict[str, str]]:
    """`count` rows from the `first` on."""
    return [borrower(n) for n in range(first, first + count)]


def export(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as CSV with a header row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def promise(n: int, borrower_n: int) -> Draft:
    """A promise to pay, ready for a direct write."""
    return Draft(
        kind="promise",
        ref=f"CN-3{n:05d}",
        row=0,
        values={
            "promise_no": f"CN-3{n:05d}", "case_number": f"AJ-7{borrower_n:05d}",
            "amount": f"{8800 + n}.19", "due_on": "2026-04-01", "note": f"金丝雀承诺{n + 8000}",
        },
        anchors={"imported_on": "2026-03-16"},
        cases=(f"AJ-7{borrower_n:05d}",),
    )  # fmt: skip


OPEN_COLUMNS: Final = frozenset(
    {"委案日期", "逾期天数", "产品", "委托方", "与本人关系", "联系渠道", "联系日期", "联系结果"}
)
"""Columns that are open attributes or words of a short list: no canaries."""


def canaries(rows: Iterable[Mapping[str, str]]) -> set[str]:
    """Every sealed value of these rows, normalised as the vault keeps it."""
    found: set[str] = set()
    for row in rows:
        found |= {value for name, value in row.items() if name not in OPEN_COLUMNS}
        if "证件号" in row:
            born = row["证件号"][6:14]
            found.add(f"{born[:4]}-{born[4:6]}-{born[6:]}")
    return found


def needles(value: str) -> Iterator[tuple[str, bytes]]:
    """A value in every encoding it could hide in, each with the encoding's name."""
    seen: set[bytes] = set()
    for name, raw in _spellings(value):
        if raw not in seen and len(raw) >= SHORTEST:
            seen.add(raw)
            yield name, raw


def _spellings(value: str) -> Iterator[tuple[str, bytes]]:
    for codec in ("utf-8", "gb18030", "utf-16-le", "utf-16-be"):
        raw = value.encode(codec)
        yield codec, raw
        yield f"{codec} hex", raw.hex().encode()
        yield f"{codec} HEX", raw.hex().upper().encode()
        for shift in range(3):
            text = base64.b64encode(bytes(shift) + raw)
            first, last = (0, 2, 3)[shift], len(text) - 4 if (len(raw) + shift) % 3 else len(text)
            yield f"{codec} base64+{shift}", text[first:last]
            yield f"{codec} base64url+{shift}", text[first:last].translate(_URLSAFE)
    yield "json", json.dumps(value)[1:-1].encode()
    yield "json upper", json.dumps(value)[1:-1].upper().replace("\\U", "\\u").encode()
    yield "python", ascii(value)[1:-1].encode()
    yield "url", urllib.parse.quote(value).encode()
    yield "url gb18030", urllib.parse.quote(value.encode("gb18030")).encode()
    yield "reversed", value[::-1].encode()


SHORTEST: Final = 6
"""Bytes: what is shorter turns up by chance in megabytes of ciphertext."""

_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")


def leaks(data: bytes, values: Iterable[str]) -> list[str]:
    """The encodings in which any of the values occurs in the data; names the encoding, not the value.

    One pass over the data for all needles: their first six bytes are looked for together.
    """
    wanted: defaultdict[bytes, list[tuple[str, bytes]]] = defaultdict(list)
    for number, value in enumerate(sorted(values)):
        for name, raw in needles(value):
            wanted[raw[:SHORTEST]].append((f"{name} of canary {number}", raw))
    met = wanted.keys() & {data[at : at + SHORTEST] for at in range(len(data) - SHORTEST + 1)}
    return sorted(name for start in met for name, raw in wanted[start] if raw in data)


# --- levers -------------------------------------------------------------------------------------------


def sql(made: Made, store: str, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """Run a statement on a store's SQLite file as its DBA would, beside the vault."""
    with closing(sqlite3.connect(made.folder / f"{store}.db", timeout=5)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def shown(found: Disclosure) -> Shown:
    """The one record that was disclosed."""
    (item,) = found.items
    return item


def values(item: Shown) -> dict[str, object]:
    """The values of a record as the caller got them, decoded."""
    return {
        name: None if one.value is None else json.loads(bytes(one.value)) for name, one in item.fields.items()
    }
