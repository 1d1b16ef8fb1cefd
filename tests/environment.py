"""A PostgreSQL and a Redis of this test process's own, unless the environment names others. Loaded before Django's settings.

Everything lies in one temporary home, which is gone afterwards, and the servers end with this process even when it is
killed.
"""

import os
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from omixa_billing.embedded import home, postgres, redis
from omixa_billing.embedded.cluster import Cluster
from omixa_billing.embedded.roles import SUPERUSER, USER
from tests.kit import prepared

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")  # of data that nobody needs after the run

_running = ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-servers", action="store_true", help="only tests that need no database and no other process")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """The one moment before pytest-django reads the settings."""
    arguments = early_config.invocation_params.args
    if {"--help", "-h", "--version", "--collect-only", "--co"} & set(arguments):
        return
    _keep_compiled()
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("Terminated.", returncode=143))  # and clean up, as by Ctrl-C
    folder = Path(tempfile.mkdtemp(prefix="omixa-tests-")).resolve()
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    os.environ["OMIXA_HOME"] = str(folder)
    _running.callback(shutil.rmtree, folder, ignore_errors=True)
    os.environ["INVOICE_MINIMUM"] = "0.00"  # the tests' usage is small; what the minimum does has tests of its own
    os.environ["RATE_LIMITS"] = "off"  # tests ask more of one address in a minute than any caller may
    if _only_hands_out_tests(early_config) or early_config.known_args_namespace.without_servers:
        return
    try:
        if home.uses_embedded_postgres():
            prepared.put_postgres_into(folder)
            _let_tests_work(_running.enter_context(postgres.ensure_running(bound=True)))
        if home.uses_embedded_redis():
            _running.enter_context(redis.running_redis())
    except BaseException:
        _running.close()
        raise


def _only_hands_out_tests(config: pytest.Config) -> bool:
    """With `-n`, this process leaves the tests to others, each of which has servers of its own."""
    return bool(getattr(config.known_args_namespace, "numprocesses", None)) and "PYTEST_XDIST_WORKER" not in os.environ


def _keep_compiled() -> None:
    """Compiled modules, whatever the machine prefers: here and in each product that tests start, minutes of a run."""
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _let_tests_work(cluster: Cluster) -> None:
    """What tests do and the product may not: make a database, empty its tables, go past triggers, lose data in a crash."""
    with cluster.connect(SUPERUSER, SUPERUSER) as connection:
        for name in DURABLE:
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"ALTER ROLE {USER} CREATEDB")
        connection.execute(f'GRANT SET ON PARAMETER session_replication_role, "omixa.may_truncate" TO {USER}')


def pytest_unconfigure() -> None:
    _running.close()
