"""Any bytes as a map file and a header row, under atheris."""

from __future__ import annotations

from harness import main

if __name__ == "__main__":
    main("map")
