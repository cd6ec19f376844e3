"""LangChain's standard suites per wire format: RoutedChatModel passes what the provider's own class passes."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

SUITES = Path(__file__).parent / "suites"
# A router holds a ledger, so a routed model says that it cannot be written down, and the suite does not ask for it.
ONLY_PLAIN = {"test_serdes"}


def outcomes(suite: str, report: Path) -> dict[str, dict[str, set[str]]]:
    """What became of the tests of a suite: class -> ``passed``, ``skipped`` or ``failed`` -> their names.

    A process of its own runs them, alone, so that the names of all outcomes are in one place.
    """
    # Google's client leaves connections to the garbage collector.
    options = ["-n", "0", "-q", "-p", "no:cacheprovider", "-W", "ignore::ResourceWarning", f"--junitxml={report}"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", str(SUITES / f"{suite}_suite.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, env=clean, timeout=300, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - written by the run above
        kinds = {child.tag for child in case}
        outcome = "skipped" if "skipped" in kinds else "failed" if kinds & {"failure", "error"} else "passed"
        found[case.attrib["classname"].rpartition(".")[2]][outcome].add(case.attrib["name"])
    return found


@pytest.mark.parametrize(
    ("suite", "unit", "integration"), [("anthropic", 10, 38), ("responses", 10, 39), ("google", 10, 39)]
)
def test_a_routed_model_passes_what_the_plain_one_passes(
    suite: str, unit: int, integration: int, tmp_path: Path
) -> None:
    """The same tests pass, by name, and at least as many as when this was written; the same are skipped."""
    found = outcomes(suite, tmp_path / "report.xml")
    for kind, least in (("Unit", unit), ("Integration", integration)):
        plain, routed = found[f"TestPlain{kind}"], found[f"TestRouted{kind}"]
        assert plain["failed"] == routed["failed"] == set()
        assert routed["passed"] == plain["passed"] - ONLY_PLAIN
        assert routed["skipped"] == plain["skipped"] | (plain["passed"] & ONLY_PLAIN)
        assert len(plain["passed"]) >= least
