"""Every setting that an operator may set stands in a table of docs/running.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from omixa_billing.rate_limits.configuration import DEFAULTS
from tests.first_run import REPOSITORY

# The sources that read the environment; all others find settings in Django's.
READERS = (
    *(f"omixa_billing/settings/{room.name}" for room in sorted((REPOSITORY / "omixa_billing" / "settings").glob("*.py"))),
    "omixa_billing/rate_limits/configuration.py",
    "metering/alerts/leaks/configuration.py",
    "omixa_billing/embedded/home.py",
    "omixa_billing/supervision/address.py",
    "omixa_billing/supervision/programs.py",
)
READING = re.compile(r"env\.\w+|os\.environ\.get|setting|partial")


def names_read(file: Path) -> Iterator[str]:
    """The names, in capitals, that a file asks the environment for: as an argument of a call that reads it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and READING.fullmatch(ast.unparse(node.func)):
            for argument in node.args:
                if isinstance(argument, ast.Constant) and re.fullmatch("[A-Z][A-Z_]+", str(argument.value)):
                    yield str(argument.value)


def rate_limit_names() -> set[str]:
    """Named after the groups of endpoints, so no source spells them out."""
    return {f"RATE_LIMIT_{group.upper()}" for group in DEFAULTS}


def documented() -> set[str]:
    """The first column of every table."""
    rows = re.findall(r"^\| (`[A-Z][^|]*) \|", (REPOSITORY / "docs" / "running.md").read_text(), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([A-Z][A-Z_]+)`", row)}


def test_every_setting_stands_in_a_table_of_the_documentation() -> None:
    read = {name for reader in READERS for name in names_read(REPOSITORY / reader)} | rate_limit_names()
    assert len(read) > 70
    assert read - documented() == set()
    assert documented() - read == set()


def test_the_example_sets_only_what_is_documented() -> None:
    example = (REPOSITORY / ".env.example").read_text()
    named = set(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", example, re.MULTILINE))
    assert {"SECRET_KEY", "PUBLIC_URL", "ALLOWED_HOSTS", "EMAIL_URL"} <= named
    assert named - documented() == set()
