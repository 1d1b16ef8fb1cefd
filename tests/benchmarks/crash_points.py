"""The points that tests/payments/collecting/test_crash_points.py dies or has Stripe fail at, as its deep run counted them."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.benchmarks.options import Options
from tests.first_run import REPOSITORY

TESTS = "tests/payments/collecting/test_crash_points.py"
FAILS, DIES = "test_stripe_fails_at_every_call", "test_the_process_dies_at_every_call_and_commit"


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """One line: calls that Stripe failed, and calls and commits around which the process died, of so many stories."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-o", "junit_family=xunit1", f"--junitxml={report}", TESTS]
        subprocess.run(command, cwd=REPOSITORY, env=os.environ | {"DEEP": "1"}, capture_output=True, check=True)
        points = points_of(ElementTree.parse(report))  # noqa: S314 - written by the run above
    fails, dies = (sum(each for name, each in points if name.startswith(test)) for test in (FAILS, DIES))
    stories = sum(name.startswith(DIES) for name, _ in points)
    yield {"points": fails + dies, "stripe_fails": fails, "process_dies": dies, "stories": stories}


def points_of(report: Any) -> list[tuple[str, int]]:
    """Each test's name, and how many points it went through."""
    return [
        (str(case.get("name")), int(found.get("value")))
        for case in report.iter("testcase")
        for found in case.iter("property")
        if found.get("name") == "points"
    ]
