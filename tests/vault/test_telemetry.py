"""The operations log."""

from __future__ import annotations

import json

import pytest

from vault.telemetry import configure, logger


def test_only_allowed_keys(capsys: pytest.CaptureFixture[str]) -> None:
    """A key that isn't allowed is dropped with its value; only its name is told."""
    configure()
    logger().warning("something", count=3, phone="13800138000")
    line = json.loads(capsys.readouterr().err)
    assert line["count"] == 3
    assert line["dropped"] == ["phone"]
    assert "13800138000" not in json.dumps(line)


def test_exceptions_tell_type_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    """No text, argument or local variable of an exception reaches the log."""
    configure()
    canary = "13800138000"
    try:
        raise ValueError(canary)
    except ValueError:
        logger().error("failed", exc_info=True)
    out = capsys.readouterr().err
    assert "ValueError at test_telemetry.py:" in out
    assert canary not in out


def test_quiet_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Below WARNING nothing is written, and nothing ever goes to stdout."""
    configure()
    logger().info("hello")
    logger().error("oh")
    out, err = capsys.readouterr()
    assert out == ""
    assert "hello" not in err
