"""The operations log: structlog with an allow-list of keys and no local variables, so no value can slip in.

It is not the access log. It says that something happened to the machinery; who saw whom stands in the
ledger alone (DESIGN 7).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

ALLOWED: Final = frozenset(
    {
        "event", "level", "timestamp", "logger", "code", "count", "counts", "store", "tenant", "node",
        "seconds", "rows", "plan", "epoch", "shelves", "kind", "size", "error_type", "exception",
    }
)  # fmt: skip
"""Keys that may be logged; any other is dropped and its name listed under `dropped`."""


def _only_allowed(_: object, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    kept = {key: value for key, value in event.items() if key in ALLOWED}
    dropped = sorted(event.keys() - kept.keys())
    return kept | {"dropped": dropped} if dropped else kept


def _plain_exception(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep an exception's type and place: never its text, its locals or its arguments."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info
    if isinstance(error, BaseException):
        frames = []
        trace = error.__traceback__
        while trace is not None:
            frames.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
            trace = trace.tb_next
        event["exception"] = f"{type(error).__name__} at {' < '.join(reversed(frames))}"
    return event


def configure(level: int = 30) -> None:
    """Send the operations log to stderr as JSON lines, from WARNING (30) up unless told otherwise."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _plain_exception,
            _only_allowed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # stderr as it is when something is said
        cache_logger_on_first_use=False,
    )


def logger() -> structlog.typing.FilteringBoundLogger:
    """The operations log."""
    return structlog.get_logger()  # type: ignore[no-any-return]
