"""What the product's Python spends its CPU on: samples of py-spy, a sampling profiler that is used when it is on the PATH.

It has to be root, or be allowed to trace (`ptrace_scope`). Sampling slows down what it samples: only shares mean anything.
"""

import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.benchmarks.processes import Machine

SAMPLES_PER_S = 200
FUNCTIONS = 12
# Samples in these, and those outside of Python, are left out: they wait, for most of their time, though not to py-spy's eyes.
WAITS = ("Connection.wait (psycopg/", "_epoll.poll (kombu/", "Condition.wait (threading.py", "Connection._recv (billiard/")
OURS = ("metering", "workspaces", "omixa_billing")


class Profile:
    """Of the web processes and the workers, while it is entered."""

    def __init__(self, machine: Machine) -> None:
        families = machine.families()
        self.parents = {group: min(families[group]) for group in ("web", "worker")}

    @staticmethod
    def is_possible() -> bool:
        return shutil.which("py-spy") is not None

    def __enter__(self) -> "Profile":
        self.folder = Path(tempfile.mkdtemp(prefix="omixa-profile-"))
        self.samplers = [self._sampler(group, pid) for group, pid in self.parents.items()]
        return self

    def __exit__(self, *_: object) -> None:
        for sampler in self.samplers:
            sampler.send_signal(signal.SIGINT)  # it then writes what it has
            sampler.wait(60)
        self.found = {group: shares(self.folder / group) for group in self.parents}
        shutil.rmtree(self.folder)

    def _sampler(self, group: str, pid: int) -> subprocess.Popen:
        command = ["py-spy", "record", "--pid", str(pid), "--subprocesses", "--nonblocking", "--function"]
        command += ["--rate", str(SAMPLES_PER_S), "--format", "raw", "--output", str(self.folder / group)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def shares(stacks: Path) -> dict[str, Any]:
    """Percent of the samples at work: in a function itself, and in functions of ours with all that they call."""
    alone: Counter[str] = Counter()
    with_called: Counter[str] = Counter()
    samples = 0
    for line in stacks.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame for frame in stack.split(";") if not frame.startswith("process ")]
        if not frames or frames[-1].startswith(WAITS):
            continue
        samples += int(count)
        alone[frames[-1]] += int(count)
        with_called.update({frame: int(count) for frame in set(frames) if any(f"({folder}/" in frame for folder in OURS)})
    return {
        "alone": {frame: round(100 * count / samples, 1) for frame, count in alone.most_common(FUNCTIONS)},
        "with_called": {frame: round(100 * count / samples, 1) for frame, count in with_called.most_common(FUNCTIONS)},
    }
