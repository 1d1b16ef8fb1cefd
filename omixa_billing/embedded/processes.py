"""What `/proc` tells about processes that are not our children, also to root in a container that may not trace them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether the process runs. A zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def words(pid: int) -> list[str]:
    """The command line; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def matching_processes(belongs: Callable[[list[str]], bool]) -> Iterator[int]:
    """Ids of the running processes whose command line is accepted."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and belongs(words(int(entry.name))) and is_alive(int(entry.name)):
            yield int(entry.name)


def wait_until_gone(pid: int, seconds: float) -> bool:
    """Whether the process ended within that time."""
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
