"""The catalogue: both languages, the same parts, chosen by the locale."""

from __future__ import annotations

import string

import pytest

from cli import messages
from vault.model import REASONS


def _parts(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_the_same_parts() -> None:
    """No translation drops or adds a part."""
    for english, chinese in messages._TEXTS.values():
        assert _parts(english) == _parts(chinese)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, False),
        ({"LC_MESSAGES": "zh_TW", "LANG": "en_US"}, True),
        ({}, False),
    ],
)
def test_the_locale_decides(monkeypatch: pytest.MonkeyPatch, *, env: dict[str, str], expected: bool) -> None:
    """LC_ALL before LC_MESSAGES before LANG; nothing set is English."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert messages.chinese() is expected
    assert (messages.text("error") == "错误") is expected
    assert ("令牌" in messages.of_code("token_expired", "x")) is expected


def test_translated_codes_exist() -> None:
    """Every translated code is one that an error can have."""
    known = {*REASONS, "not_found", "integrity", "unavailable"}
    assert messages._CODES.keys() <= known
