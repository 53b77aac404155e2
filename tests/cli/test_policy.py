"""The policy's commands: its tests, its explanation for a situation, what a change widens."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import run

from vault.access.policy import default_text


@pytest.fixture
def elsewhere(tmp_path: Path) -> tuple[str, Path]:
    """No vault: the shipped policy is looked at."""
    return "--vault", tmp_path / "none"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """The shipped policy with one condition left out."""
    path = tmp_path / "policy.toml"
    path.write_text(default_text().replace(', "contract"]', "]", 1), "utf-8")
    return path


def test_the_shipped_tests_pass(elsewhere: tuple[str, Path]) -> None:
    """All of them, for people and programs."""
    said = run(*elsewhere, "policy", "test", "--json")
    assert (said.code, said.json["failed"]) == (0, 0)
    assert said.json["passed"] == len(said.json["items"]) >= 12
    shown = run(*elsewhere, "policy", "test")
    assert shown.code == 0
    assert "FAILED" not in shown.out
    assert "0 failed" in shown.err


def test_a_failing_test_is_named(broken: Path) -> None:
    """Exit 1; what was expected, what came, and nothing else fails."""
    said = run("policy", "test", broken, "--json")
    assert (said.code, said.json["failed"]) == (1, 1)
    (failed,) = [item for item in said.json["items"] if not item["passed"]]
    assert failed == {
        "name": "an agency's sight ends with its contract",
        "passed": False,
        "expected": "deny contract_ended",
        "got": "name=MASKED, phone=MASKED",
        "condition": "",
        "source": "",
    }
    assert "FAILED" in run("policy", "test", broken).out


def test_a_policy_without_tests_passes_none(tmp_path: Path) -> None:
    """Nothing to run is 0, and says that it was nothing."""
    path = tmp_path / "policy.toml"
    path.write_text(default_text().partition("[[tests]]")[0], "utf-8")
    assert run("policy", "test", path, "--json").json["items"] == []
    assert "0 tests passed" in run("policy", "test", path).err


def test_explain_answers_for_a_situation(elsewhere: tuple[str, Path]) -> None:
    """`--given` names the condition that decided each field; without it each names what it rests on."""
    at = (*elsewhere, "policy", "explain", "collector", "repayment_reminder")
    best = run(*at, "--json").json
    phone = next(row for row in best["items"] if row["field"] == "phone")
    assert (phone["view"], phone["when"]) == ("MASKED", ["alive", "case_open", "grown"])
    assert best["attestations"] == ["confidentiality", "training"]
    assert [c["holds"] for c in best["conditions"]] == [None, None, None]
    said = run(*at, "--given", "minor, case=closed", "--json").json
    phone = next(row for row in said["items"] if row["field"] == "phone")
    assert (phone["view"], phone["condition"]) == ("HIDDEN", "case_open")
    assert [c["holds"] for c in said["conditions"]] == [True, False, False]
    assert "not case_open" in run(*at, "--given", "case=closed").out
    refused = run(*at, "--given", "minro", "--json")
    assert (refused.code, refused.error["field"]) == (2, "given")


def test_a_wider_policy_is_told(broken: Path, tmp_path: Path) -> None:
    """A condition left out is a widening, with its purposes."""
    old = tmp_path / "old.toml"
    old.write_text(default_text(), "utf-8")
    items = run("policy", "diff", old, broken, "--json").json["items"]
    assert {item["widening"] for item in items} == {True}
    assert {p for item in items for p in item["purposes"]} == {"phone_collection", "repayment_reminder"}
    assert "no longer needs contract" in run("policy", "diff", old, broken).out
