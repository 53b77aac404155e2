"""The command as a process: exit codes, the two streams, quick help, and failures that show no value."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from commands import CANARIES, NAME, PHONE, run

from cli import main
from cli.context import guard
from cli.output import Output

MARKER = "a-value-nobody-may-see"


def process(*arguments: object, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run `cvault` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1", "NO_COLOR": "1"} | env,
        check=False,
    )


def test_streams_and_exit_code_of_a_process(sandbox: Path) -> None:
    """Data alone on stdout, notes on stderr, the exit code of the contract."""
    done = process("--vault", sandbox, "--sandbox", "read", "r-nobody", "--json")
    assert (done.returncode, done.stderr) == (4, "")
    assert json.loads(done.stdout)["errors"] == [{"id": "r-nobody", "code": "not_found"}]
    refused = run("--vault", sandbox, "read", "r-nobody")
    assert (refused.code, refused.out) == (2, "")
    assert [line.split(":")[0] for line in refused.err.splitlines()] == ["error", "hint"]


def test_people_are_spoken_to_in_their_language(sandbox: Path) -> None:
    """In a Chinese locale messages are Chinese and codes stay as they are."""
    refused = run("--vault", sandbox, "list", LC_ALL="zh_CN.UTF-8")
    assert refused.err.startswith("错误")
    assert "(invalid_usage)" in refused.err
    missing = run("--vault", sandbox, "--sandbox", "principal", "disable", "p-x", LC_ALL="zh_CN.UTF-8")
    assert "提示: 请核对编号" in missing.err


def test_a_denial_says_what_to_do_about_it(sandbox: Path) -> None:
    """A request that is refused as a whole has the hint of its reason, in the language of the locale."""
    at = ("--vault", sandbox, "--sandbox", "find", "--field", "name")
    refused = run(*at, stdin="甲")
    assert (refused.code, refused.out) == (3, "")
    assert "(field_denied)" in refused.err
    assert "hint: cvault policy explain ROLE PURPOSE" in refused.err
    assert "提示: 用 cvault policy explain ROLE PURPOSE" in run(*at, stdin="甲", LC_ALL="zh_CN.UTF-8").err


def test_a_value_as_an_argument_is_refused_and_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    """Values are never arguments: a stray one is 2, and the message doesn't hold it."""
    assert main.run(["find", "--field", "phone", PHONE]) == 2
    captured = capsys.readouterr()
    assert PHONE not in captured.out + captured.err
    assert "stdin" in captured.err


def test_no_value_reaches_stderr_or_a_masked_view(sandbox: Path) -> None:
    """A collector's whole output and everything on stderr hold no value of the export in clear."""
    done = process(
        "--vault", sandbox, "--sandbox", "read", "--ref", "borrower:AJ00001", "--ref", "loan:AJ00001"
    )
    assert done.returncode == 0
    assert not [canary for canary in CANARIES if canary in done.stdout + done.stderr]
    wrong = run("--vault", sandbox, "--sandbox", "find", "--field", "phone", stdin=NAME)
    assert wrong.code == 2
    assert NAME not in wrong.out


def test_help_imports_nothing_heavy() -> None:
    """Help stays quick because no store, no cryptography and no table is imported for it."""
    code = (
        "import sys; sys.argv = ['cvault', '--help']; import cli.main\n"
        "assert cli.main.run(['--help']) == 0\n"
        "heavy = {'sqlalchemy', 'cryptography', 'rich', 'alembic', 'vault.vault', 'cli.demo'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "retention" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["read", "--nonsense"], ["find"], ["list", "--limit", "x"]]
)
def test_usage_errors_are_json_where_asked(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that can't be understood is 2, as an error object with --json, else two lines."""
    assert main.run([*arguments, "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "invalid_usage"
    assert main.run(arguments) == 2
    assert capsys.readouterr().err.startswith("error: ")


ISSUE = (
    b"token", b"issue", b"--role", b"collector", b"--purpose", b"repayment_reminder", b"--out", b"t.token",
)  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((b"read", b"r-1", b"r-\xff"), "IDS"),
        ((b"read", b"--ref", b"borrower:\xff"), "--ref"),
        ((*ISSUE, b"--ticket", b"T-\xff"), "--ticket"),
        ((*ISSUE, b"--cases", b"C1,\xff"), "--cases"),
        ((b"principal", b"add", b"--role", b"legal", b"--name", b"\xd6\xee\xb8\xf0"), "--name"),
        ((b"--tenant", b"\xff", b"list"), "--tenant"),
        ((b"list", b"--tenant", b"\xff"), "--tenant"),
    ],
)
def test_arguments_that_are_no_utf8_are_a_usage_error(
    tmp_path: Path, arguments: tuple[bytes, ...], named: str
) -> None:
    """Bytes that no record or token could hold are 2, by the argument's name, before a vault is sought."""
    done = subprocess.run(
        [
            sys.executable.encode(),
            b"-m",
            b"cli.main",
            b"--vault",
            b"none",
            b"--sandbox",
            b"--json",
            *arguments,
        ],
        capture_output=True,
        env=os.environ | {"PYTHONUTF8": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=tmp_path,
        check=False,
    )
    said = json.loads(done.stderr)["error"]
    assert (done.returncode, done.stdout, said["code"]) == (2, b"", "invalid_usage")
    assert said["message"] == f"{named}: not valid UTF-8"
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_have_any_bytes(sandbox: Path, tmp_path: Path) -> None:
    """File names aren't text: one that is no UTF-8 is read, and one that is missing is an error object."""
    name = os.fsencode(tmp_path / "ids") + b"\xff"
    command = [sys.executable.encode(), b"-m", b"cli.main", b"--vault", os.fsencode(sandbox), b"--sandbox"]
    command += [b"read", b"--json", b"--ids", name]
    absent = subprocess.run(command, capture_output=True, check=False)
    assert (absent.returncode, json.loads(absent.stderr)["error"]["code"]) == (2, "invalid_file")
    Path(os.fsdecode(name)).write_text("r-nobody\n", "utf-8")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 4


def test_no_arguments_show_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`cvault` alone, and a group alone, show help and are a usage error."""
    assert main.run([]) == 2
    assert main.run(["log"]) == 2
    captured = capsys.readouterr()
    assert "Usage:" in captured.out + captured.err


@pytest.mark.parametrize("as_json", [True, False])
def test_unexpected_failures_show_no_value(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    """A failure nobody expected is 1, says where it was, and repeats nothing that its text holds."""

    def fail() -> None:
        raise RuntimeError(MARKER)

    with pytest.raises(typer.Exit) as left:
        guard(Output(json=as_json), fail)
    assert left.value.exit_code == 1
    said = capsys.readouterr().err
    assert MARKER not in said
    assert (json.loads(said)["error"]["code"] if as_json else "RuntimeError at" in said) in {"failure", True}


def test_a_full_disk_or_a_wrong_path_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What the file system refuses is 1, with the path and the reason."""
    with pytest.raises(typer.Exit) as left:
        guard(Output(json=True), lambda: (tmp_path / "none" / "x").write_text("y"))
    assert left.value.exit_code == 1
    assert "none/x" in json.loads(capsys.readouterr().err)["error"]["message"]


def test_demo_never_replaces_what_it_did_not_make(sandbox: Path) -> None:
    """The demo refuses a folder that holds something else, and leaves it as it is."""
    before = sorted(path.name for path in sandbox.iterdir())
    done = run("demo", "--dir", sandbox, "--json")
    assert (done.code, done.error["field"]) == (2, "dir")
    assert sorted(path.name for path in sandbox.iterdir()) == before


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, typer.Abort])
def test_interrupts_are_130(interruption: type[BaseException]) -> None:
    """Ctrl-C ends with 130, as shells expect, at a prompt too."""

    def interrupted() -> None:
        raise interruption

    with pytest.raises(typer.Exit) as left:
        guard(Output(json=False), interrupted)
    assert left.value.exit_code == 130


def shell(line: str, sandbox: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `$cv` is the command in a sandbox vault."""
    cv = f'"{sys.executable}" -m cli.main --vault "{sandbox}" --sandbox --json'
    return subprocess.run(
        ["bash", "-c", line.replace("$cv", cv)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", ["find --field phone", "write"])
def test_closed_stdin_is_a_usage_error(sandbox: Path, command: str) -> None:
    """A command that reads stdin and has none is 2 and says so."""
    done = shell(f"$cv {command} <&-", sandbox)
    said = json.loads(done.stderr)["error"]
    assert (done.returncode, done.stdout, said["code"], said["field"]) == (2, "", "invalid_usage", "stdin")


def test_closed_stdout_is_refused_before_anything_is_read(sandbox: Path) -> None:
    """With stdout closed nothing is read or logged: 1, and a sentence; with stderr closed too, 1 alone."""
    size = run("--vault", sandbox, "status", "--json").json["log"]["size"]
    done = shell("$cv list >&-", sandbox)
    assert (done.returncode, json.loads(done.stderr)["error"]["message"]) == (1, "stdout is closed")
    assert shell("$cv list >&- 2>&-", sandbox).returncode == 1
    assert run("--vault", sandbox, "status", "--json").json["log"]["size"] == size


def test_closed_stderr_loses_the_messages_alone(sandbox: Path) -> None:
    """With stderr closed the answer and the exit code stand."""
    done = shell("$cv log verify 2>&-", sandbox)
    assert done.returncode == 0
    assert json.loads(done.stdout)["size"]
    assert shell("$cv read r-nobody 2>&-", sandbox).returncode == 4


def test_a_reader_that_goes_away_is_no_traceback(sandbox: Path) -> None:
    """`cvault … | head -0` ends quietly."""
    command = f'"{sys.executable}" -m cli.main --vault "{sandbox}" schema check | head -0'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
