"""Any bytes as a Parquet file, under atheris."""

from __future__ import annotations

from harness import main

if __name__ == "__main__":
    main("parquet")
