"""The fuzzers' checks on a few hundred inputs: seeds with bytes changed, cut, doubled and moved."""

from __future__ import annotations

import checks
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

_FEW = {"parquet": 6, "xlsx": 100}
"""Fewer where one takes long: each Parquet file has a process of its own."""


@pytest.mark.parametrize("name", checks.CHECKS)
def test_any_bytes(name: str) -> None:
    """Rows, rejections or a refusal, whatever the bytes; and none repeats a value."""
    seeds = checks.seeds(name)
    check = checks.CHECKS[name]
    for seed in seeds:
        check(seed)

    @settings(max_examples=_FEW.get(name, 300), database=None, deadline=None, derandomize=True)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        mutant = bytearray(data.draw(st.sampled_from(seeds)))
        for _ in range(data.draw(st.integers(1, 6))):
            begin = data.draw(st.integers(0, len(mutant)))
            end = begin + data.draw(st.integers(0, 12))
            mutant[begin:end] = data.draw(st.binary(max_size=8)) * data.draw(
                st.sampled_from([1, 1, 1, 2, 300])
            )
        check(bytes(mutant))

    run()
