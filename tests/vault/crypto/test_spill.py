"""Rows put aside come back as they were, and are on disk for nobody else to read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.spill import Spill
from vault.errors import Tampered, Unavailable


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_what_is_put_aside_comes_back(rows: list[bytes]) -> None:
    """Every row is had back by its offset, in any order, while more are added."""
    spill = Spill()
    offsets = []
    for row in rows:
        offsets.append(spill.append(row))
        middle = len(offsets) // 2 - (len(offsets) > 1)
        assert spill.read(offsets[middle]) == rows[middle]
    assert [spill.read(offset) for offset in reversed(offsets)] == rows[::-1]
    spill.close()


def test_nothing_readable_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has no name, and its bytes hold no row."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spill = Spill()
    spill.append("张三 13812345678".encode())
    spill.read(0)
    assert list(tmp_path.iterdir()) == []
    descriptor = spill._file.fileno()
    held = os.pread(descriptor, 1000, 0)
    assert len(held) > len("张三 13812345678".encode())
    assert b"13812345678" not in held
    spill.close()


def test_changed_bytes_are_refused() -> None:
    """A flipped bit, a row moved, an offset that is none, a file cut short: none opens."""
    spill = Spill()
    first, second = spill.append(b"a" * 20), spill.append(b"b" * 20)
    spill.read(first)
    descriptor = spill._file.fileno()
    whole = os.pread(descriptor, 1000, 0)
    os.pwrite(descriptor, bytes([whole[8] ^ 1]), 8)
    os.pwrite(descriptor, whole[:second], second)
    for offset in (first, second, 3, 10_000):
        with pytest.raises(Tampered) as caught:
            spill.read(offset)
        assert caught.value.__context__ is None
    spill.close()


def test_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for temporary files the error says where to make some."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with pytest.raises(Unavailable) as caught:
        Spill()
    assert "TMPDIR" in caught.value.remedy
