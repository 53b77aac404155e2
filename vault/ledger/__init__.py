"""The access log's formats: stubs, notes, checkpoints, receipts, tiles, and the full walk (DESIGN 7)."""
