"""Write sealed.json: sealed compartments that must open for ever; nonces differ with every run."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from vault.crypto.sealing import context_bytes, seal
from vault.model import Context

CASES = {
    "masked borrower": (
        "masked",
        {"name": "张**", "phone": "138****1234", "@ref": "AJ1", "@parts": ["contact"]},
    ),
    "clear contact": ("contact", {"phone": "13812341234", "email": "a@example.com"}),
    "empty": ("narrative", {}),
}


def main() -> None:
    """Seal each case under fixed keys."""
    vectors = []
    for number, (name, (compartment, values)) in enumerate(CASES.items()):
        context = Context(
            tenant="main",
            subject=f"s-{number}",
            record=f"r-{number}",
            kind="borrower",
            version=number + 1,
            compartment=compartment,
            generation=1,
        )
        secret, key = bytes([number]) * 32, bytes([100 + number]) * 32
        vectors.append(
            {
                "name": name,
                "context": msgspec.to_builtins(context),
                "context_bytes": context_bytes(context).hex(),
                "secret": secret.hex(),
                "key": key.hex(),
                "values": values,
                "sealed": seal(dict(values), secret, key, context).blob.hex(),
            }
        )
    text = json.dumps(vectors, ensure_ascii=False, indent=1) + "\n"
    (Path(__file__).parent / "sealed.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
