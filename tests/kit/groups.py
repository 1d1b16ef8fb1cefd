"""Which tests one process runs together, and which begin first, when several share the work.

What takes long to start or to ask for is made once: the tests of a running product stay together in one process, and so do
those that walk through the same pages. Products wait more than they compute, so they begin among the first, beside what fills
the processors.
"""

import re
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Folders whose tests share one running product. What needs RabbitMQ has another product than the rest of its folder.
PRODUCTS = {"tests/chaos", "tests/front"}
# Folders whose tests share what every page answered.
WALKS = {"tests/every_address", "tests/fuzz"}
SHARED = PRODUCTS | WALKS
# Files whose numbered histories need nothing of each other. With DEEP they are so many that all processes share them.
HISTORIES = {
    "tests/bookkeeping/test_several_workers.py",
    "tests/bookkeeping/test_walks.py",
    "tests/exactness/test_any_history.py",
    "tests/journal/test_histories.py",
}
PARTS = 16
# Folders of tests that take long, in the order in which they begin: begun last they would keep one process busy alone.
LONG = (
    *("chaos", "scenarios", "front", "embedded", "browser", "fuzz", "every_address", "openapi", "rate_limits", "exactness"),
    *("bookkeeping", "limits", "project"),
)


class TogetherScheduling(LoadScopeScheduling):
    """A file at a time, or all files of a folder that share a product, or a part of a file's histories."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def make_scheduler(config: pytest.Config, log: Producer) -> TogetherScheduling | None:
    """For `--dist=loadfile`; what else is asked for stays as it is."""
    return TogetherScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def group_of(nodeid: str) -> str:
    """Tests of the same group share a process, one after the other."""
    path = PurePosixPath(nodeid.partition("::")[0])
    number = re.search(r"\[(\d+)\]$", nodeid)
    if str(path) in HISTORIES and number:
        return f"{path}, part {int(number[1]) % PARTS}"
    if str(path.parent) not in SHARED:
        return str(path)
    return f"{path.parent} on RabbitMQ" if "rabbitmq" in path.name else str(path.parent)


def turn_of(nodeid: str) -> tuple[int, str]:
    """By which tests are ordered: long ones first, those that share something beside each other. Others keep their order."""
    folder = nodeid.split("/")[1] if nodeid.startswith("tests/") else ""
    place = LONG.index(folder) if folder in LONG else len(LONG)
    return (place, group_of(nodeid) if f"tests/{folder}" in SHARED else "")
