"""The catalogue: both languages, the same parts, chosen by the locale."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from typer.main import get_command

from cli import messages
from cli.main import app
from vault.model import REASONS


def _parts(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_no_text_stands_twice_in_the_catalogue() -> None:
    """A key in two of its files would let one command's word win over another's."""
    found: dict[str, str] = {}
    for path in sorted(Path(messages.__file__).parent.glob("messages*.py")):
        for key in re.findall(r'^    "([\w.-]+)": ', path.read_text("utf-8"), re.MULTILINE):
            if "." in key:
                assert key not in found, f"{key}: {path.name} and {found[key]}"
                found[key] = path.name
    assert len(found) > 300


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


def test_a_chinese_hint_comes_before_the_english_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error's own remedy says more and isn't translated: both are shown, Chinese first."""
    monkeypatch.setenv("LC_ALL", "C")
    assert messages.hint("role_denied", "ask X") == "ask X"
    assert messages.hint("role_denied", "") == messages.remedy("role_denied")
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert messages.hint("role_denied", "ask X") == f"{messages.remedy('role_denied')}（ask X）"
    assert messages.hint("invalid_day", "ask X") == "ask X"


HINTED = (
    "contract_ended", "field_denied", "role_denied", "restricted", "lookup_cap", "uses_spent",
    "token_expired", "token_revoked", "audience_denied", "purpose_denied", "approval_required", "not_found",
    "attestation_expired", "delegation_denied", "case_closed", "consent_withdrawn", "region_denied",
    "contact_state", "contact_refused", "quiet_hours", "call_cap", "attempt_cap", "integrity",
)  # fmt: skip


@pytest.mark.parametrize("locale", ["C", "zh_CN.UTF-8"])
def test_every_denial_has_a_hint_of_its_own(monkeypatch: pytest.MonkeyPatch, locale: str) -> None:
    """Each reason says something that no other says; an unknown code has the general hint."""
    monkeypatch.setenv("LC_ALL", locale)
    hints = {messages.remedy(code) for code in HINTED}
    assert len(hints) == len(HINTED)
    assert messages.remedy("nonsense") not in hints
    assert all(hint.isascii() == (locale == "C") for hint in hints)


def test_hints_name_commands_and_options_that_exist() -> None:
    """What a hint tells people to type can be typed, in either language."""
    known = get_command(app).commands  # type: ignore[attr-defined]
    for pair in (messages._TEXTS[f"hint.{code}"] for code in HINTED):
        named = [re.findall(r"cvault ([a-z]+)(?: ([a-z]+))?", text) for text in pair]
        assert named[0] == named[1]
        options = [re.findall(r"--[a-z-]+", text) for text in pair]
        assert options[0] == options[1]
        commands = [
            getattr(known[first], "commands", {second: known[first]})[second] for first, second in named[0]
        ]
        offered = {
            option for command in commands for parameter in command.params for option in parameter.opts
        }
        assert offered.issuperset(options[0])


def test_translated_codes_exist() -> None:
    """Every translated code is one that an error can have."""
    sources = [
        path.read_text("utf-8")
        for part in ("vault", "cli")
        for path in (Path(messages.__file__).parent.parent / part).rglob("*.py")
        if path.name != "messages_codes.py"
    ]
    known = {*REASONS, "not_found", "integrity", "unavailable"}
    known |= {code for text in sources for code in re.findall(r'code="([a-z_]+)"', text)}
    for text in sources:
        options = re.findall(r'parsing\.[a-z_]+\([^"()]*"([a-z_]+)"\)|_demand\([a-z]+, "([a-z]+)"', text)
        known |= {f"invalid_{name}" for found in options for name in found if name}
    assert known >= messages.CODES.keys()
