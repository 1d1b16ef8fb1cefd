"""Who comes first where there are too few processors for all."""

import os
import subprocess
import sys

from tests.first_run import REPOSITORY

PROGRAMS = ("web", "worker", "pages")


def niceness_of(program: str) -> int:
    """As the application of that program has it once it is loaded."""
    code = f"import os, omixa_billing.supervision.{program}; print(os.nice(0))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True, timeout=120
    )
    return int(done.stdout.split()[-1])


def test_gateways_are_answered_before_usage_is_recorded_and_pages_come_last() -> None:
    web, worker, pages = map(niceness_of, PROGRAMS)
    assert web == os.nice(0)
    assert web < worker < pages
