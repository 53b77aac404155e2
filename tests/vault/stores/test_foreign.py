"""Foreign tables: every row once, in order, exactly as it is; nothing written, nothing leaked."""

from __future__ import annotations

import datetime as dt
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import ConfigError, Invalid, Unavailable, VaultError
from vault.stores.foreign import ForeignQuery, Pace
from vault.stores.foreign_query import bindless, checked_query, checked_url
from vault.stores.foreign_values import Unreadable, hex_of, key_of, position_of, text_of

Db = Callable[..., str]
ALL = "SELECT * FROM t"


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Db:
    """Runs statements in a fresh database of either kind, each with its rows; gives its URL."""
    lite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/source.db" if lite else request.getfixturevalue("pg")()

    def run(*statements: str | tuple[str, Sequence[Sequence[Any]]]) -> str:
        for statement in statements:
            sql, rows = statement if isinstance(statement, tuple) else (statement, None)
            write(url, sql, rows)
        return url

    return run


def write(url: str, sql: str, rows: Sequence[Sequence[Any]] | None = None) -> None:
    """Run one statement as the source's own application would."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as lite, lite:
            lite.execute(sql) if rows is None else lite.executemany(sql, rows)
        return
    with psycopg.connect(url) as post, post.cursor() as cursor:
        cursor.execute(sql) if rows is None else cursor.executemany(sql.replace("?", "%s"), rows)


def read(url: str, query: str = ALL, key: str = "id", *, after: str = "", **pace: Any) -> list[list[str]]:
    """The cells of every row."""
    table = ForeignQuery(url, query, key, pace=Pace(**pace))
    with closing(table):
        return [row.cells for row in table.rows(after)]


@pytest.mark.parametrize("rows", [0, 1, 6, 7, 8, 21])
@pytest.mark.parametrize("count", [True, False])
def test_every_row_once_in_order(db: Db, *, rows: int, count: bool) -> None:
    """Whatever the number of rows is to the page's; keys with gaps, inserted in another order."""
    keys = [3 * n - 10 for n in range(rows)]
    url = db(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
        ("INSERT INTO t VALUES (?, ?)", [(k, f"n{k}") for k in reversed(keys)]),
    ) if rows else db("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")  # fmt: skip
    assert read(url, page=7, count=count) == [[str(k), f"n{k}"] for k in keys]


TEXT_KEYS = [
    "a",
    "B",
    "b",
    "Ä",
    "ä",
    "z",
    "张三",
    "é",
    "e",
    "ab",
    "A b",
    "a-b",
    " a",
    "10",
    "9",
    "",
    "%",
    ":x",
    "'",
]


def test_text_keys_go_by_the_databases_order(db: Db) -> None:
    """No key is passed over, whatever the collation; each page goes on where the last ended."""
    url = db("CREATE TABLE t (id TEXT PRIMARY KEY)", ("INSERT INTO t VALUES (?)", [(k,) for k in TEXT_KEYS]))
    for page in (1, 2, 5):
        found = [cells[0] for cells in read(url, page=page)]
        assert sorted(found) == sorted(TEXT_KEYS)


def test_a_collation_decides_what_is_unique(tmp_path: Path) -> None:
    """Under one that ignores case, `a` and `A` are one key, whatever Python says of them."""
    url = f"sqlite:///{tmp_path}/s.db"
    write(url, "CREATE TABLE t (id TEXT COLLATE NOCASE)")
    write(url, "INSERT INTO t VALUES (?)", [("B",), ("a",), ("c",), ("D",)])
    assert [cells[0] for cells in read(url, page=1)] == ["a", "B", "c", "D"]
    write(url, "INSERT INTO t VALUES ('b')")
    for pace in ({"count": True}, {"count": False, "page": 1}, {"count": False, "page": 2}):
        with pytest.raises(Invalid, match="unique"):
            read(url, **pace)


def test_keys_of_every_kind_lead_through(pg: Callable[[], str]) -> None:
    """A position's text says its key's type, and is gone on from."""
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    kinds: dict[str, list[Any]] = {
        "bigint": [2**40 + n for n in range(5)],
        "numeric": [Decimal(n) / 3 for n in range(5)],
        "uuid": [uuid.UUID(int=n << 90) for n in range(5)],
        "date": [dt.date(2026, 1, 1 + n) for n in range(5)],
        "timestamptz": [at + dt.timedelta(microseconds=n) for n in range(5)],
        "timestamp": [at.replace(tzinfo=None) + dt.timedelta(microseconds=n) for n in range(5)],
    }
    for kind, keys in kinds.items():
        url = pg()
        write(url, f"CREATE TABLE t (id {kind} PRIMARY KEY)")
        write(url, "INSERT INTO t VALUES (?)", [(k,) for k in keys])
        with closing(ForeignQuery(url, ALL, "id", pace=Pace(page=2))) as table:
            rows = list(table.rows())
            assert len(rows) == 5
            assert [r.position for r in table.rows(rows[2].position)] == [r.position for r in rows[3:]]


def test_a_key_with_nulls_is_refused(db: Db) -> None:
    """Such rows would never be met; said before any row is read."""
    url = db("CREATE TABLE t (id INTEGER)", ("INSERT INTO t VALUES (?)", [(1,), (None,), (2,)]))
    for count in (True, False):
        with pytest.raises(Invalid, match="empty") as caught:
            read(url, count=count)
        assert caught.value.code == "invalid_key"


def test_a_null_that_comes_later_is_refused(db: Db) -> None:
    """The key is looked at again at the end."""
    url = db("CREATE TABLE t (id INTEGER)", ("INSERT INTO t VALUES (?)", [(1,), (2,)]))
    with closing(ForeignQuery(url, ALL, "id", pace=Pace(page=1))) as table:
        rows = table.rows()
        next(rows)
        write(url, "INSERT INTO t VALUES (NULL)")
        with pytest.raises(Invalid, match="empty"):
            list(rows)


@pytest.mark.parametrize("kind", ["INTEGER", "TEXT"])
@pytest.mark.parametrize("page", [1, 2, 3, 50])
def test_a_key_that_is_not_unique_is_refused(db: Db, kind: str, page: int) -> None:
    """Counted beforehand or not: never a page that ends between two rows of one key."""
    keys = [1, 2, 3, 3, 4]
    url = db(
        f"CREATE TABLE t (id {kind})",
        ("INSERT INTO t VALUES (?)", [(k if kind == "INTEGER" else str(k),) for k in keys]),
    )
    with pytest.raises(Invalid, match="not unique"):
        read(url, count=True)
    with pytest.raises(Invalid, match=r"unique"):
        read(url, count=False, page=page)


def test_going_on_at_a_key_that_is_not_unique_is_refused(db: Db) -> None:
    """The second row of the key to go on after would be lost."""
    url = db("CREATE TABLE t (id TEXT)", ("INSERT INTO t VALUES (?)", [("a",), ("b",), ("b",), ("c",)]))
    with pytest.raises(Invalid, match="not unique"):
        read(url, after="text:b", count=False)


@pytest.mark.parametrize(("words", "page"), [("b a c", 1), ("b c a", 2), ("d b a e", 2), ("c b a", 3)])
def test_a_key_ordered_otherwise_than_compared_is_refused(
    pg: Callable[[], str], words: str, page: int
) -> None:
    """As MySQL orders an ENUM by its numbers and compares it by its words: a row would be passed over."""
    url = pg()
    write(url, f"CREATE TYPE grade AS ENUM ({', '.join(map(repr, words.split()))})")
    for name, sign in (("gt", ">"), ("le", "<=")):
        write(
            url,
            f"CREATE FUNCTION {name}(grade, grade) RETURNS boolean LANGUAGE sql"
            f' AS \'SELECT $1::text COLLATE "C" {sign} $2::text COLLATE "C"\'',
        )
        write(url, f"CREATE OPERATOR {sign} (leftarg = grade, rightarg = grade, function = {name})")
    write(url, "CREATE TABLE t (id grade PRIMARY KEY)")
    write(url, "INSERT INTO t VALUES (?)", [(word,) for word in words.split()])
    with pytest.raises(Invalid, match="compared otherwise than ordered"):
        read(url, page=page)


def test_values_are_exact(pg: Callable[[], str]) -> None:
    """Decimals keep their places, instants become Shanghai's, numbers their digits; NULL is empty."""
    url = pg()
    write(
        url,
        "CREATE TABLE t (id int PRIMARY KEY, a numeric(14,2), b date, c timestamptz, d timestamp, e bigint,"
        " f double precision, g uuid, h boolean, i text)",
    )
    write(
        url,
        "INSERT INTO t VALUES (1, 1234567890.50, '2026-03-01', '2026-02-28T16:00:00Z', '2026-03-01',"
        " 622202123456789012, 0.1, '00000000-0000-0000-0000-00000000000f', true, NULL)",
    )
    assert read(url) == [
        [
            "1", "1234567890.50", "2026-03-01", "2026-03-01 00:00:00", "2026-03-01 00:00:00",
            "622202123456789012", "0.1", "00000000-0000-0000-0000-00000000000f", "true", "",
        ]
    ]  # fmt: skip


def test_what_has_no_exact_text_is_a_fault(pg: Callable[[], str]) -> None:
    """Bytes, rounded floats, arrays, NaN: named by column, the cell empty, the row still there."""
    url = pg()
    write(
        url,
        "CREATE TABLE t (id int PRIMARY KEY, a bytea, b double precision, c int[], d numeric, e interval)",
    )
    write(url, "INSERT INTO t VALUES (1, 'x', 622202123456789012, '{1,2}', 'NaN', '1 day')")
    with closing(ForeignQuery(url, ALL, "id")) as table:
        (row,) = table.rows()
    assert row.cells == ["1", "", "", "", "", ""]
    assert sorted(row.faults) == [1, 2, 3, 4, 5]
    assert "622202" not in str(row.faults)
    assert "13" not in repr(row)


def test_bytes_of_named_columns_become_hexadecimal(db: Db) -> None:
    """As a column of AES_ENCRYPT's bytes is read."""
    url = db(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, phone_cipher BYTEA)",
        ("INSERT INTO t VALUES (?, ?)", [(1, b"\x15\xe3")]),
    )
    with closing(ForeignQuery(url, ALL, "id", binary=frozenset({"phone_cipher"}))) as table:
        assert [row.cells for row in table.rows()] == [["1", "15e3"]]


def test_text_that_is_no_utf8_is_a_fault(tmp_path: Path) -> None:
    """SQLite keeps GBK bytes as text if it is given them; they must not become other characters."""
    url = f"sqlite:///{tmp_path}/s.db"
    write(url, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    write(url, "INSERT INTO t VALUES (1, CAST(x'd5c5c8fd' AS TEXT))")
    with closing(ForeignQuery(url, ALL, "id")) as table:
        (row,) = table.rows()
    assert list(row.faults) == [1]


def test_an_infinite_day_is_named_without_value(pg: Callable[[], str]) -> None:
    """A value that the driver can't take stops the import and says what to do."""
    url = pg()
    write(url, "CREATE TABLE t (id int PRIMARY KEY, d date)")
    write(url, "INSERT INTO t VALUES (1, 'infinity')")
    with pytest.raises(Invalid, match="cannot be read"):
        read(url)


GOOD = [
    "SELECT * FROM t", " select id from t ; ", "WITH a AS (SELECT 1 AS id) SELECT * FROM a",
    "(SELECT 1 AS id)", "SELECT ';' AS id", 'SELECT "update" AS id FROM t', "SELECT '-- not one' AS id",
    "SELECT 'it''s' AS id", "SELECT a::text AS id, ' :x' FROM t", "SELECT updated_at AS id FROM t",
    "SELECT 5 % 2 AS id",
]  # fmt: skip
BAD = [
    "", ";", "DELETE FROM t", "SELECT 1; DROP TABLE t", "SELECT 1;;", "UPDATE t SET a=1",
    "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "SELECT * INTO x FROM t",
    "SELECT * FROM t FOR UPDATE", "SELECT * FROM t FOR SHARE", "SELECT 1 -- x", "SELECT /* x */ 1",
    "SELECT 'a", "SELECT 'a\\' ; DROP TABLE t; '", "SELECT $$a$$", "EXPLAIN SELECT 1", "selection",
    "1 SELECT", "SELECT 1 /*! ; DROP */", "CALL p()", "TABLE t", "VALUES (1)",
]  # fmt: skip


@pytest.mark.parametrize("query", GOOD)
def test_a_single_select_is_taken(query: str) -> None:
    """With or without its semicolon; what stands in quotation marks doesn't matter."""
    assert checked_query(query, "postgresql") == query.strip().removesuffix(";").strip()


@pytest.mark.parametrize("query", BAD)
def test_anything_else_is_refused(query: str) -> None:
    """Changes, locks, several statements, comments that could hide one, open quotations."""
    with pytest.raises(Invalid) as caught:
        checked_query(query, "postgresql")
    assert caught.value.code == "invalid_query"


def test_a_hash_is_a_comment_in_mysql_alone() -> None:
    """PostgreSQL has operators with it."""
    assert checked_query("SELECT a #> b AS id FROM t", "postgresql")
    with pytest.raises(Invalid):
        checked_query("SELECT 1 # x", "mysql")


def test_colons_and_percents_are_no_parameters(db: Db) -> None:
    """They reach the database as they stand, in values and in column names."""
    url = db("CREATE TABLE t (id INTEGER PRIMARY KEY)", ("INSERT INTO t VALUES (?)", [(1,), (2,)]))
    query = "SELECT id AS \"a:b%\", ' :x %s 12:30' AS c FROM t WHERE 1 = 7 % 3"
    assert read(url, query, "a:b%", page=1) == [["1", " :x %s 12:30"], ["2", " :x %s 12:30"]]
    assert bindless("a::int") == "a::int"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:canary@h/d", "mysql://u:canary@h/d", "postgresql://u@h/d?password=canary",
        "mysql://u@h/d?passwd=canary", "postgresql://u@h/d?sslpassword=canary",
    ],
)  # fmt: skip
def test_a_password_in_the_url_is_refused(url: str) -> None:
    """Arguments are seen by others; the error doesn't repeat it."""
    with pytest.raises(Invalid) as caught:
        checked_url(url, None)
    assert caught.value.exit_code == 2
    assert "canary" not in f"{caught.value}{caught.value.remedy}"
    assert "CVAULT_SOURCE_PASSWORD" in caught.value.remedy


@pytest.mark.parametrize(
    "url", ["", "oracle://h/d", "nonsense", "postgresql://h", "sqlite://", "postgresql://h:port/d"]
)
def test_another_url_is_refused(url: str) -> None:
    """Not a database that can be read, or none named."""
    with pytest.raises((Invalid, ConfigError)):
        ForeignQuery(url, ALL, "id")


def test_nothing_is_written_and_the_session_cannot(pg: Callable[[], str]) -> None:
    """A function with effects, called in a SELECT: the database itself refuses."""
    url = pg()
    write(url, "CREATE TABLE t (id int PRIMARY KEY)")
    write(url, "INSERT INTO t VALUES (1)")
    write(url, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM t RETURNING 1'")
    with pytest.raises(Invalid, match="25006"):
        read(url, "SELECT id, f() FROM t")
    assert read(url) == [["1"]]


def test_a_slow_statement_is_given_up(db: Db) -> None:
    """After the time it was given, with a remedy; nothing is tried again."""
    url = db(
        "CREATE TABLE t (id INTEGER PRIMARY KEY)", ("INSERT INTO t VALUES (?)", [(n,) for n in range(300)])
    )
    with pytest.raises(Unavailable) as caught:
        read(url, "SELECT a.id FROM t a, t b, t c, t d WHERE a.id + b.id + c.id + d.id < 0", timeout=0.2)
    assert caught.value.code == "source_timeout"


def test_a_lost_connection_is_gone_on_with(pg: Callable[[], str]) -> None:
    """The server drops us between pages, again and again: no row is lost or met twice, and the waits grow."""
    url, waits = pg(), list[float]()
    write(url, "CREATE TABLE t (id int PRIMARY KEY)")
    write(url, "INSERT INTO t VALUES (?)", [(n,) for n in range(20)])
    table = ForeignQuery(url + "&application_name=victim", ALL, "id", pace=Pace(page=5), wait=waits.append)
    found = []
    with closing(table):
        for row in table.rows():
            found.append(int(row.cells[0]))
            if len(found) % 5 == 0:
                write(
                    url,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='victim'",
                )
    assert found == list(range(20))
    assert waits
    assert set(waits) == {0.5}


def test_a_source_that_stays_away_is_given_up(tmp_path: Path) -> None:
    """After a bounded number of attempts; here, a writer that holds the file."""
    place, waits = f"sqlite:///{tmp_path}/s.db", list[float]()
    write(place, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    write(place, "INSERT INTO t VALUES (1)")
    table = ForeignQuery(place, ALL, "id", wait=waits.append)
    table._engine.dispose()
    with closing(table), closing(sqlite3.connect(f"{tmp_path}/s.db", isolation_level=None)) as other:
        table._engine.connect().connection.driver_connection.execute("PRAGMA busy_timeout=1")  # type: ignore[union-attr]
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable):
            list(table.rows())
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_source_that_cannot_be_reached_is_said_at_once() -> None:
    """No server there: one attempt, and nothing of the login in the error."""
    waits: list[float] = []
    with pytest.raises(Unavailable) as caught:
        ForeignQuery(
            "postgresql://nobody@127.0.0.1:1/canary", ALL, "id", password="canary", wait=waits.append
        )
    assert waits == []
    assert "canary" not in f"{caught.value}{caught.value.__cause__}"


def test_a_bad_query_says_nothing_of_values(pg: Callable[[], str]) -> None:
    """PostgreSQL's text for a failed cast names the value; ours its SQLSTATE alone."""
    url = pg()
    with pytest.raises(VaultError) as caught:
        read(url, "SELECT 'canary'::int AS id")
    assert "canary" not in f"{caught.value}{caught.value.remedy}{caught.value.__cause__}"
    with pytest.raises(Invalid, match="42P01"):
        read(url, "SELECT * FROM nowhere")


def test_the_pace_is_kept(db: Db) -> None:
    """A pause between pages; a rate in rows a second, less what the reader took itself."""
    url = db(
        "CREATE TABLE t (id INTEGER PRIMARY KEY)", ("INSERT INTO t VALUES (?)", [(n,) for n in range(6)])
    )
    for pace, low, high in ((Pace(page=2, pause=0.25), 0.25, 0.25), (Pace(page=2, rate=10), 0.1, 0.2)):
        waits: list[float] = []
        with closing(ForeignQuery(url, ALL, "id", pace=pace, wait=waits.append)) as table:
            assert len(list(table.rows())) == 6
        assert len(waits) == 3
        assert all(low <= wait <= high for wait in waits)
    for bad in (Pace(page=0), Pace(page=10_001), Pace(pause=-1), Pace(timeout=0)):
        with pytest.raises(Invalid):
            ForeignQuery(url, ALL, "id", pace=bad)


def test_the_fingerprint_is_of_the_question(db: Db) -> None:
    """Same place, query and key: the same; the password doesn't matter, anything else does."""
    url = db("CREATE TABLE t (id INTEGER PRIMARY KEY, b INTEGER)")
    one = ForeignQuery(url, ALL, "id")
    again = ForeignQuery(url, ALL, "id", pace=Pace(page=5))
    other = ForeignQuery(url, "SELECT id FROM t", "id")
    third = ForeignQuery(url, ALL, "b")
    assert one.fingerprint == again.fingerprint
    assert len({one.fingerprint, other.fingerprint, third.fingerprint}) == 3
    for table in (one, again, other, third):
        table.close()


def test_no_snapshot_is_held_while_rows_are_worked_on(pg: Callable[[], str]) -> None:
    """Between pages no transaction is open in the source, so its vacuum is not held up."""
    url = pg()
    write(url, "CREATE TABLE t (id int PRIMARY KEY)")
    write(url, "INSERT INTO t VALUES (?)", [(n,) for n in range(10)])
    with closing(ForeignQuery(url + "&application_name=calm", ALL, "id", pace=Pace(page=5))) as table:
        next(table.rows())
        with psycopg.connect(url) as post:
            states = post.execute(
                "SELECT state FROM pg_stat_activity WHERE application_name='calm'"
            ).fetchall()
    assert states == [("idle",)]


@given(
    st.one_of(
        st.integers(),
        st.text(),
        st.dates(),
        st.uuids(),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.datetimes(timezones=st.just(dt.UTC)),
    )
)
def test_positions_round_trip(key: Any) -> None:
    """A key comes back from its position as what it was, of its type."""
    found = key_of(position_of(key))
    assert (type(found), found) == (type(key), key)


@pytest.mark.parametrize("key", [None, 1.5, True, b"x", [1]])
def test_keys_that_are_not_compared_exactly_are_refused(key: object) -> None:
    """Floating point, booleans, bytes, nothing."""
    with pytest.raises(Invalid):
        position_of(key)


@pytest.mark.parametrize("position", ["", "int:x", "x:1", "uuid:1", "day:2026"])
def test_what_is_no_position_is_refused(position: str) -> None:
    """An edited resume file can't reach the query."""
    with pytest.raises(Invalid):
        key_of(position)


@given(st.floats())
def test_floats_are_exact_or_refused(value: float) -> None:
    """Text that reads back as the same number in at most 15 digits, or a fault."""
    try:
        text = text_of(value)
    except Unreadable:
        assert not abs(value) < 1e15 or float(f"{value:.15g}") != value
    else:
        assert float(text) == value
        assert "e" not in text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_decimals_are_exact(value: Decimal) -> None:
    """Every place, no exponent."""
    assert Decimal(text_of(value)) == value
    assert hex_of(value) == text_of(value)
