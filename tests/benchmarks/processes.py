"""What the product's processes use of the machine, as `/proc` counts it: CPU by group, and memory."""

import os
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import psycopg

from omixa_billing.embedded import processes
from omixa_billing.embedded.cluster import Cluster
from tests.benchmarks.product import Product

TICKS = os.sysconf("SC_CLK_TCK")
# What stands in the command lines of the supervisor's children.
GROUPS = {
    "web": "supervision.web:",
    "pages": "supervision.pages:",
    "worker": "-m celery --app omixa_billing.supervision.worker ",
    "beat": "-m celery --app omixa_billing beat ",
    "redis": "valkey-server ",
}
# The server's own processes worth a name.
OWN = ("walwriter", "checkpointer", "io worker")


@dataclass(frozen=True)
class Machine:
    """The processes of one running product, and what they are there for."""

    product: Product
    database: psycopg.Connection

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by group; the client is this process."""
        used = {group: sum(map(cpu_seconds, family)) for group, family in self.families().items()}
        return used | {"client": time.process_time()}

    def cpu_by_purpose(self) -> dict[str, float]:
        """The same, the server's taken apart: its backends by the program that they serve, and its own processes by name."""
        parts: dict[str, float] = defaultdict(float)
        rows = self.database.execute("SELECT pid, backend_type, application_name FROM pg_stat_activity").fetchall()
        for pid, kind, program in rows:
            if kind == "client backend":
                parts[f"postgres for {program or 'the benchmark'}"] += cpu_seconds(pid)
            elif kind in OWN:
                parts[f"postgres {kind}"] += cpu_seconds(pid)
        used = self.cpu()
        parts["postgres other"] = max(0.0, used.pop("postgres") - sum(parts.values()))
        return used | parts

    def families(self) -> dict[str, list[int]]:
        """The ids of each group's processes."""
        children: dict[int, list[int]] = defaultdict(list)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := _stat(int(entry.name))):
                children[int(fields[1])].append(int(entry.name))
        # The server may be nobody's child: the first to need it has started it.
        postmaster = Cluster(self.product.home).postmaster()
        found = {"postgres": _descendants(postmaster, children) if postmaster else []} | {group: [] for group in GROUPS}
        for child in children[self.product.supervisor.pid]:
            command = " ".join(processes.words(child))
            for group, words in GROUPS.items():
                if words in command:
                    found[group] += _descendants(child, children)
        return found

    def worker_memory(self) -> tuple[float, float]:
        """Resident MB of the largest of Celery's pool processes, now and at its most."""
        _, *pool = sorted(self.families()["worker"])
        return max(_resident(pid, "VmRSS") for pid in pool), max(_resident(pid, "VmHWM") for pid in pool)


def since(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What was used in between."""
    return {name: used - before.get(name, 0) for name, used in after.items()}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, and of those of its children that have ended."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / TICKS if fields else 0.0


def _stat(pid: int) -> list[str]:
    """From the state on; nothing when the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _resident(pid: int, line: str) -> float:
    """MB, as that line of its status has it in kB."""
    _, _, after = Path(f"/proc/{pid}/status").read_text().partition(f"{line}:")
    return int(after.split()[0]) / 1024


def _descendants(pid: int, children: dict[int, list[int]]) -> list[int]:
    return [pid, *(each for child in children[pid] for each in _descendants(child, children))]
