import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from omixa_billing.embedded.home import make_directory

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder the database's account can enter, unlike pytest's own for root."""
    path = Path(tempfile.mkdtemp(prefix="omixa-embedded-")).resolve()
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def base(folder: Path) -> Path:
    return make_directory(folder / "home")


@pytest.fixture
def environment(base: Path) -> dict[str, str]:
    """For child processes: this home, and only embedded services."""
    return {**os.environ, "OMIXA_HOME": str(base), "DATABASE_URL": "", "CELERY_BROKER_URL": ""}
