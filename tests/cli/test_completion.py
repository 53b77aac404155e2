"""Completion for the shell: commands and options are offered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CVAULT = Path(sys.executable).with_name("cvault")


@pytest.mark.parametrize(
    ("words", "place", "offered"),
    [
        ("cvault im", "1", "import"),
        ("cvault import --che", "2", "--check"),
        ("cvault log ver", "2", "verify"),
    ],
)
def test_commands_and_options_are_offered(words: str, place: str, offered: str) -> None:
    """What bash asks by its variables is answered on stdout."""
    env = os.environ | {"_CVAULT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": place}
    done = subprocess.run([CVAULT], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [offered]
