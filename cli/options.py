"""The common options of every command, which may stand before its name or after it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

_COMMON: Final = "Common options"
LARGEST: Final = 2**53 - 1
"""The largest number that an option takes: what every JSON reader holds exactly (RFC 8259, 6)."""

_VAULT = typer.Option(
    "--vault", metavar="DIR", help="The vault's folder [CVAULT_VAULT; ./cvault].", rich_help_panel=_COMMON
)
_TENANT = typer.Option("--tenant", help="Whose data [main].", rich_help_panel=_COMMON)
_KEYS = typer.Option(
    "--keys", metavar="DIR", help="Another key folder than the settings name [CVAULT_KEYS].",
    rich_help_panel=_COMMON,
)  # fmt: skip
_PASS = typer.Option(
    "--passphrase-file", metavar="FILE", help="Holds the key folder's passphrase.", rich_help_panel=_COMMON
)
_JSON = typer.Option("--json", help="One JSON document on stdout, errors as JSON.", rich_help_panel=_COMMON)
_TOKEN = typer.Option("--token", metavar="FILE", help="The token file to act with.", rich_help_panel=_COMMON)
_AS = typer.Option("--as", metavar="FILE", help="The principal file: who acts.", rich_help_panel=_COMMON)
_SANDBOX = typer.Option(
    "--sandbox", help="In a sandbox vault: act as its first principal.", rich_help_panel=_COMMON
)
_ROLE = typer.Option("--role", help="With --sandbox: act in this role.", rich_help_panel=_COMMON)
_PURPOSE = typer.Option("--purpose", help="With --sandbox: for this purpose.", rich_help_panel=_COMMON)

SHARED: Final[Mapping[str, tuple[Any, Any]]] = {
    "vault": (Annotated[Path | None, _VAULT], None),
    "tenant": (Annotated[str | None, _TENANT], None),
    "keys": (Annotated[Path | None, _KEYS], None),
    "passphrase_file": (Annotated[Path | None, _PASS], None),
    "json": (Annotated[bool, _JSON], False),
    "token": (Annotated[Path | None, _TOKEN], None),
    "acting": (Annotated[Path | None, _AS], None),
    "sandbox": (Annotated[bool, _SANDBOX], False),
}
"""The options of every command."""
CHOSEN: Final[Mapping[str, tuple[Any, Any]]] = {
    "role": (Annotated[str | None, _ROLE], None),
    "purpose": (Annotated[str | None, _PURPOSE], None),
}
"""The options that pick the token which a sandbox issues by itself."""
