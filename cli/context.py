"""What every command shares: its common options, opening the vault, token and principal, failing well.

A command is written as `def read(call: Call, …) -> int | None` and registered by `command`; the common
options are added to it there, and may stand before the command's name as well as after it.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, NoReturn, ParamSpec, TextIO

import typer

from cli import messages
from cli.options import CHOSEN, SHARED
from cli.output import Output
from vault.errors import Invalid, VaultError

if TYPE_CHECKING:
    from vault.access.tokens import Credential
    from vault.identity import Identity
    from vault.vault import Vault

P = ParamSpec("P")
INTERRUPTED: Final = 130


class Call:
    """One run of a command: its common options and where its output goes.

    Attributes:
        folder: The vault's folder.
        tenant: Whose data it is about.
        token, acting: The token file and the principal file, if given.
        sandbox: Whether a missing one may be taken from the sandbox's first principal.
        out: The output.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        env = os.environ.get
        self.folder: Path = options.get("vault") or Path(env("CVAULT_VAULT") or "cvault")
        self.tenant: str = options.get("tenant") or "main"
        keys = options.get("keys") or env("CVAULT_KEYS")
        self.keys: Path | None = Path(keys) if keys else None
        self.token: Path | None = options.get("token")
        self.acting: Path | None = options.get("acting")
        self.sandbox: bool = bool(options.get("sandbox"))
        self.out = Output(json=bool(options.get("json")))
        self._passphrase_file: Path | None = options.get("passphrase_file")
        self._role: str | None = options.get("role")
        self._purpose: str | None = options.get("purpose")

    @property
    def passphrase(self) -> str | None:
        """The passphrase file's first line, or None."""
        if self._passphrase_file is None:
            return None
        lines = self.read(self._passphrase_file, "passphrase").decode("utf-8", "replace").splitlines()
        if not lines or not lines[0]:
            raise Invalid("the passphrase file is empty", field="passphrase", remedy="write it on one line")
        return lines[0]

    @contextmanager
    def open(self) -> Iterator[Vault]:
        """The vault, closed again at the end."""
        from vault.vault import Vault

        self.demand_folder(self.folder, "vault", "give --vault the vault's folder")
        with Vault.open(self.folder, keys=self.keys, passphrase=self.passphrase) as vault:
            yield vault

    def credential(self, vault: Vault, role: str, purpose: str) -> Credential:
        """The token to act with; in a sandbox without one, a fresh one for the role that fits the command.

        Raises:
            Invalid: None was given.
        """
        from vault.access.tokens import Credential

        if self.token is not None:
            return Credential.from_json(self.read(self.token, "token"))
        if not self.sandbox:
            raise _usage("this command needs a token", "token", "cvault token issue …, then --token FILE")
        identity = self.identity(vault)
        role, purpose = self._chosen(vault, role, purpose)
        return vault.granting(self.tenant).issue(identity, role=role, purpose=purpose)

    def _chosen(self, vault: Vault, role: str, purpose: str) -> tuple[str, str]:
        """Role and purpose as asked for; a role alone brings the first purpose that policy gives it."""
        if self._role is None:
            return role, self._purpose or purpose
        spec = vault.tenancy(self.tenant).policy.file.roles.get(self._role)
        first = spec.purposes[0] if spec and spec.purposes else purpose
        return self._role, self._purpose or first

    def principal(self) -> Identity:
        """Who acts where no vault is at hand: the principal file.

        Raises:
            Invalid: None was given.
        """
        from vault.identity import Identity

        if self.acting is None:
            raise _usage("this command needs to know who acts", "as", "give --as PRINCIPAL_FILE")
        return Identity.from_json(self.read(self.acting, "as"))

    def identity(self, vault: Vault) -> Identity:
        """Who acts: the principal file, or in a sandbox its first principal's.

        Raises:
            Invalid: None was given, or the vault is no sandbox.
        """
        from vault.identity import Identity

        path = self.acting
        if path is None:
            if not self.sandbox:
                raise _usage("this command needs to know who acts", "as", "give --as PRINCIPAL_FILE")
            if not vault.config.settings.sandbox:
                raise _usage("this vault is no sandbox", "sandbox", "give --token FILE or --as FILE")
            vault.provider.tenant(self.tenant)
            path = first_principal(self.folder, self.tenant)
        return Identity.from_json(self.read(path, "as"))

    @staticmethod
    def stdin() -> bytes:
        """Everything on stdin.

        Raises:
            Invalid: stdin is closed.
        """
        # typeshed doesn't know that the interpreter starts with None where the descriptor is closed.
        stream: TextIO | None = sys.stdin
        if stream is None:
            raise _usage("stdin is closed", "stdin", "send the input on stdin")
        return stream.buffer.read()

    @staticmethod
    def read(path: Path, field: str) -> bytes:
        """A file's bytes.

        Raises:
            Invalid: It can't be read.
        """
        try:
            return path.read_bytes()
        except OSError as error:
            raise Invalid(
                f"{path}: {error.strerror or 'cannot be read'}",
                code="invalid_file",
                field=field,
                remedy="check the path",
            ) from None

    @staticmethod
    def demand_folder(path: Path, field: str, remedy: str) -> None:
        """Demand that a path is a folder or may become one: neither it nor what it lies in is a file.

        Raises:
            Invalid: A file stands in the way; names it.
        """
        there = next((p for p in (path, *path.absolute().parents) if os.path.lexists(p)), None)
        if there is not None and not there.is_dir():
            raise Invalid(f"{there} is no folder", code="invalid_file", field=field, remedy=remedy)

    @staticmethod
    def claim(path: Path, *, force: bool) -> Path:
        """A place for a new file, checked before anything is done that the file must not lose.

        Raises:
            Invalid: Something stands there and `--force` was not given, or its folder is missing.
        """
        # A link that leads nowhere yet is something too; a device or folder is nothing to replace.
        if os.path.lexists(path) and (not force or (path.exists() and not path.is_file())):
            raise Invalid(
                f"{path} is there already",
                code="invalid_file",
                field="out",
                remedy="another --out, or --force",
            )
        if not path.parent.is_dir():
            raise Invalid(
                f"no folder {path.parent}", code="invalid_file", field="out", remedy="make it first"
            )
        return path.absolute()


def first_principal(folder: Path, tenant: str) -> Path:
    """Where the first principal's file of a tenant lies unless `--out` put it elsewhere."""
    return folder / ("admin.principal" if tenant == "main" else f"admin-{tenant}.principal")


def _usage(message: str, field: str, remedy: str) -> Invalid:
    return Invalid(message, code="invalid_usage", field=field, remedy=remedy)


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read (0600), whole or not at all."""
    from vault.crypto.provider import write_private

    write_private(path, data)


def write_open(path: Path, data: bytes) -> None:
    """Write a file that anybody may read, whole or not at all: a link that stands there is replaced.

    Its mode is what the process gives to new files.
    """
    write_secret(path, data)
    mask = os.umask(0o077)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def command(
    app: typer.Typer, name: str, *, chooses: bool = False
) -> Callable[[Callable[Concatenate[Call, P], int | None]], Callable[Concatenate[Call, P], int | None]]:
    """Register a command with the common options.

    Args:
        app: The group it belongs to.
        name: What it is called.
        chooses: Whether `--role` and `--purpose` pick the token that a sandbox issues by itself.
    """

    def register(
        function: Callable[Concatenate[Call, P], int | None],
    ) -> Callable[Concatenate[Call, P], int | None]:
        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        shared = {**SHARED, **(CHOSEN if chooses else {})}
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        parameters += [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for n, (annotation, default) in shared.items()
        ]
        parameters.append(inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))

        body: Callable[..., int | None] = function

        def run(**given: Any) -> None:
            ctx = given.pop("ctx")
            before = ctx.find_root().obj or {}
            after = {n: given.pop(n) for n in shared}
            common = {n: after.get(n) or before.get(n) for n in {*before, *after}}
            call = Call(common)

            def work() -> int | None:
                _refuse_broken_text(ctx.command.params, {**common, **given})
                return body(call, **given)

            guard(call.out, work)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__doc__ = (function.__doc__ or "").partition("\n")[0]
        app.command(name)(run)
        return function

    return register


def _refuse_broken_text(parameters: Sequence[Any], given: Mapping[str, Any]) -> None:
    """Demand UTF-8 of every argument that isn't a path: Python smuggles other bytes in (PEP 383).

    Raises:
        Invalid: One has bytes that no record, entry or token could hold; names it, never the text.
    """
    for parameter in parameters:
        value = given.get(parameter.name)
        texts = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(text, str) and not _is_utf8(text) for text in texts):
            options = [name for name in parameter.opts if name.startswith("--")]
            name = options[0] if options else parameter.metavar or parameter.name.upper()
            raise _usage(f"{name}: not valid UTF-8", parameter.name, "write it in UTF-8, or mend the locale")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def guard(out: Output, work: Callable[[], int | None]) -> NoReturn:
    """Run a command's work and leave with its exit code (docs/interface.md); no traceback, no value."""
    from vault import telemetry

    telemetry.configure(50 if out.json else 40)
    try:
        code = work() or 0
    except VaultError as error:
        out.error(error)
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        raise
    except typer.Exit:
        raise
    except OSError as error:
        where = f"{error.filename}: " if isinstance(error.filename, str) else ""
        message = f"{where}{error.strerror or 'input or output failed'}"
        out.error(VaultError(message, remedy=messages.text("hint.path")))
        code = 1
    except Exception as error:  # noqa: BLE001 - the last door: whatever it is, its text could hold a value
        telemetry.logger().error("unexpected failure", exc_info=error)
        out.error(VaultError(messages.text("unexpected"), remedy="cvault doctor"))
        code = 1
    raise typer.Exit(code)
