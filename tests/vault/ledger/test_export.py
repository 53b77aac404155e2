"""The export: files another tool can walk, never of a log that contradicts itself."""

from pathlib import Path

import pytest

from tests.vault.ledger.logs import ORIGIN, Log, root_of, signed
from vault.errors import Tampered, Unavailable
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.export import export
from vault.ledger.note import split
from vault.ledger.tiles import split_hashes, tile_root, unpack_entries
from vault.merkle import leaf_hash

ENTRIES = [b"entry %d" % number for number in range(1_000)]


def written(directory: Path) -> dict[str, bytes]:
    """Every file by its path."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def log() -> Log:
    """A log of 600 entries."""
    return Log(ENTRIES[:600])


def test_the_files_are_the_tree(tmp_path: Path, log: Log) -> None:
    """Tiles, bundles and the checkpoint of 600 entries, each where the specification puts it."""
    count = export(tmp_path, log, 600, signed(ENTRIES, 600))
    files = written(tmp_path)
    assert count == len(files) == 8
    entries: list[bytes] = []
    for name in ("000", "001", "002.p/88"):
        bundle = unpack_entries(files[f"tile/entries/{name}"])
        assert [leaf_hash(entry) for entry in bundle] == split_hashes(files[f"tile/0/{name}"])
        entries += bundle
    assert entries == ENTRIES[:600]
    assert files["tile/1/000.p/2"] == tile_root(files["tile/0/000"]) + tile_root(files["tile/0/001"])
    assert Checkpoint.parse(split(files["checkpoint"].decode())[0]).root == root_of(entries)


def test_an_empty_log_is_a_checkpoint_alone(tmp_path: Path) -> None:
    """Nothing but the checkpoint is written, into a folder made for it."""
    assert export(tmp_path / "new", Log(), 0, signed([], 0)) == 1
    assert list(written(tmp_path)) == ["new/checkpoint"]


def test_a_later_export_writes_what_is_new(tmp_path: Path, log: Log) -> None:
    """Complete files stay untouched, lost ones come back, and the outcome holds all of a fresh export."""
    export(tmp_path / "kept", log, 600, signed(ENTRIES, 600))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept/tile/0").glob("00[01]")}
    (tmp_path / "kept/tile/entries/001").unlink()
    log.append(ENTRIES[600:])
    assert export(tmp_path / "kept", log, 1_000, signed(ENTRIES, 1_000)) == 7
    assert before == {path: path.stat().st_mtime_ns for path in before}
    export(tmp_path / "fresh", log, 1_000, signed(ENTRIES, 1_000))
    fresh = written(tmp_path / "fresh")
    kept = written(tmp_path / "kept")
    assert {name: kept[name] for name in fresh} == fresh


def test_the_same_export_again_writes_the_edge(tmp_path: Path, log: Log) -> None:
    """At the same size only the right edges and the checkpoint are written again."""
    export(tmp_path, log, 600, signed(ENTRIES, 600))
    before = written(tmp_path)
    assert export(tmp_path, log, 600, signed(ENTRIES, 600)) == 4
    assert written(tmp_path) == before


def test_a_checkpoint_of_another_tree_is_not_exported(tmp_path: Path, log: Log) -> None:
    """Wrong size or root: nothing is written."""
    for note in (signed(ENTRIES, 599), signed([b"x", *ENTRIES], 600)):
        with pytest.raises(Tampered):
            export(tmp_path, log, 600, note)
    assert not written(tmp_path)


def test_another_history_is_not_overwritten(tmp_path: Path, log: Log) -> None:
    """A folder with another log, a fork, a later state or a broken checkpoint stays as it is."""
    for number, (entries, origin) in enumerate(
        [([b"x", *ENTRIES], ORIGIN), (ENTRIES, "vault.example/other"), (ENTRIES, ORIGIN)]
    ):
        directory, size = tmp_path / str(number), 700 if number == 2 else 500
        export(directory, Log(entries[:size]), size, signed(entries, size, origin=origin))
        before = written(directory)
        with pytest.raises(Tampered, match="another log"):
            export(directory, log, 600, signed(ENTRIES, 600))
        assert written(directory) == before
    (tmp_path / "checkpoint").write_bytes(b"\xff")
    with pytest.raises(Tampered, match="malformed"):
        export(tmp_path, log, 600, signed(ENTRIES, 600))


def test_an_entry_that_is_not_the_tree_s_is_not_exported(tmp_path: Path, log: Log) -> None:
    """An altered entry under an unaltered tile raises with its index; no checkpoint appears."""
    log.stubs[300] = b"forged"
    with pytest.raises(Tampered) as caught:
        export(tmp_path, log, 600, signed(ENTRIES, 600))
    assert caught.value.index == 300
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize("tile", [0, 255])
def test_an_entry_and_its_tile_forged_together_are_not_exported(tmp_path: Path, tile: int) -> None:
    """CVE-2026-56865's forgery: entry and level-0 tile agree with each other but not with the tile above."""
    entries = [b"%d" % number for number in range(65_536)]
    log, begin = Log(entries), tile * 256
    log.stubs[begin + 5] = b"forged"
    log.tiles[0, tile] = Log(log.stubs[begin : begin + 256]).tiles[0, 0]
    with pytest.raises(Tampered, match=f"0/{tile} ") as caught:
        export(tmp_path, log, 65_536, signed(entries, 65_536))
    assert caught.value.index == begin
    assert not (tmp_path / "checkpoint").exists()


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path, log: Log) -> None:
    """A file in the folder's place raises an error that says what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable) as caught:
        export(tmp_path / "file" / "log", log, 600, signed(ENTRIES, 600))
    assert caught.value.remedy


def test_a_link_in_a_shared_folder_is_not_written_through(tmp_path: Path, log: Log) -> None:
    """Whoever may write the folder can't have the export overwrite a file that they may not write."""
    precious, folder = tmp_path / "precious", tmp_path / "shared"
    precious.write_text("kept")
    folder.mkdir()
    (folder / ".checkpoint.new").symlink_to(precious)
    export(folder, log, 600, signed(ENTRIES, 600))
    assert precious.read_text() == "kept"
    assert not (folder / "checkpoint").is_symlink()
