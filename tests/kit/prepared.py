"""A home in which everything is done that takes long and is the same each time: PostgreSQL's files, and a migrated database.

The first run that needs one makes it, in `.omixa-tests/`. Test processes and the products that tests start begin with a copy
of its `postgres`, until a migration, the embedded server or a package changes. Importable without Django.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from omixa_billing.embedded import locks, postgres
from omixa_billing.embedded.home import REPOSITORY
from omixa_billing.embedded.roles import NAME, SUPERUSER, USER

KEPT = REPOSITORY / ".omixa-tests"
TEST_DATABASE = f"test_{NAME}"
# Most tests play in these. Each would make a partition and take it back, which takes as long as a small test.
MONTHS = [f"2026-{month:02}-01Z" for month in range(8, 13)]
DAYS = ["2026-10-15Z"]
ONLY_OURS = {"DATABASE_URL": "", "CELERY_BROKER_URL": "", "OMIXA_ENV": "development"}


def put_postgres_into(home: Path) -> None:
    """A stopped cluster with the product's database and the tests', both migrated. The home has none before."""
    prepared = prepared_home()
    subprocess.run(["cp", "-a", "--reflink=auto", str(prepared / "postgres"), str(home / "postgres")], check=True)


def prepared_home() -> Path:
    """Made once for a state of the code, by one process, while the others wait."""
    KEPT.mkdir(mode=0o700, exist_ok=True)
    home = KEPT / _state_of_the_code()
    with locks.exclusive(KEPT / "lock"):
        if not home.exists():
            for former in KEPT.glob("home-*"):
                shutil.rmtree(former)
            draft = KEPT / "draft"
            shutil.rmtree(draft, ignore_errors=True)
            _prepare(draft)
            draft.rename(home)
    return home


def _prepare(home: Path) -> None:
    with postgres.ensure_running(home, bound=True) as cluster:
        environment = {**os.environ, **ONLY_OURS, "OMIXA_HOME": str(home)}
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.DEVNULL)
        with cluster.connect(SUPERUSER, SUPERUSER) as connection:
            connection.execute(f"CREATE DATABASE {TEST_DATABASE} TEMPLATE {NAME} OWNER {USER}")
            # A test that takes back what it made looks through all buffers for each file of it.
            connection.execute("ALTER SYSTEM SET shared_buffers = '128MB'")
        with cluster.connect(TEST_DATABASE) as connection:
            for month in MONTHS:
                connection.execute("SELECT metering_ensure_month(%s)", [month])
            for day in DAYS:
                connection.execute("SELECT metering_ensure_day(%s)", [day])
        with cluster.connect(SUPERUSER, SUPERUSER) as connection:
            connection.execute("CHECKPOINT")


def _state_of_the_code() -> str:
    """A name for everything that decides what a prepared home contains, and for whose it is."""
    digest = hashlib.sha256(f"{os.geteuid()} {sys.version}".encode())
    for path in sorted(_decisive()):
        digest.update(os.path.relpath(path, REPOSITORY).encode())
        digest.update(path.read_bytes())
    return f"home-{digest.hexdigest()[:16]}"


def _decisive() -> Iterator[Path]:
    yield REPOSITORY / "requirements-dev.lock"
    yield Path(__file__)
    yield from (REPOSITORY / "omixa_billing" / "embedded").glob("*.py")
    for app in ("workspaces", "metering"):
        yield from (REPOSITORY / app).rglob("migrations/*.py")
