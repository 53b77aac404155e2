"""The base of value types."""

from __future__ import annotations

import msgspec

from vault.ledger.registry import KINDS
from vault.word import Quiet, Word, _words, prepare


def test_every_loaded_word_is_prepared() -> None:
    """Words of words are found too, and preparing twice does no harm."""

    class Outer(Quiet):
        """A word of a word."""

        name: str

    prepare()
    prepare()
    found = set(_words(Word))
    assert {Outer, Quiet, *KINDS.values()} <= found
    assert msgspec.json.decode(b'{"name":"x"}', type=Outer).name == "x"
