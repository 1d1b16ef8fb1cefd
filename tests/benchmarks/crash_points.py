"""How many points tests/payments/test_crash_points.py dies at, or has Stripe fail at: counted as pytest collects them."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.options import Options
from tests.first_run import REPOSITORY

TESTS = "tests/payments/test_crash_points.py"


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """One line: Stripe failing in five ways at every call, and the process dying before and after every call."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", TESTS]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    failures = listed.count("::test_stripe_fails_at_every_call[")
    deaths = listed.count("::test_the_process_dies_before_and_after_every_call[")
    yield {"points": failures + deaths, "stripe_fails": failures, "process_dies": deaths}
