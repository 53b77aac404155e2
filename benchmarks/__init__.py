"""Benchmarks: the vault beside the same data in plain SQLAlchemy, as ratios taken in one run."""
