"""Any bytes as a workbook or a sheet, under atheris."""

from __future__ import annotations

from harness import main

if __name__ == "__main__":
    main("xlsx")
