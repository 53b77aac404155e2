"""Any bytes as a value of each type, under atheris."""

from __future__ import annotations

from harness import main

if __name__ == "__main__":
    main("values")
