"""Production refuses to start with a secret that is missing or everybody's, and says which."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """A process that reads the settings as the web server would."""
    kept = {name: value for name, value in os.environ.items() if name not in {"SECRET_KEY", "DEBUG", "OMIXA_ENV"}}
    return subprocess.run(
        [sys.executable, "-c", "import omixa_billing.settings as s; print(s.PRODUCTION, s.DEBUG)"],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("secret", [{}, {"SECRET_KEY": ""}, {"SECRET_KEY": "change-me-to-a-long-random-text"}])
def test_production_names_the_secret_that_is_missing(secret: dict[str, str]) -> None:
    refused = start(OMIXA_ENV="production", **secret)
    assert refused.returncode != 0
    assert "SECRET_KEY is missing or still the example's" in refused.stderr


def example() -> dict[str, str]:
    """What `.env.example` sets, as a copy of it would."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_production_with_the_example_as_it_is_refuses_to_start() -> None:
    assert example()["OMIXA_ENV"] == "production"
    refused = start(**example())
    assert refused.returncode != 0
    assert "SECRET_KEY is missing or still the example's" in refused.stderr


def test_production_with_the_example_and_a_secret_of_its_own_starts() -> None:
    assert start(**example() | {"SECRET_KEY": "x" * 50}).stdout == "True False\n"


def test_production_shows_no_tracebacks() -> None:
    refused = start(OMIXA_ENV="production", SECRET_KEY="x" * 50, DEBUG="1")
    assert refused.returncode != 0
    assert "Unset DEBUG" in refused.stderr


def test_production_with_a_secret_starts() -> None:
    assert start(OMIXA_ENV="production", SECRET_KEY="x" * 50).stdout == "True False\n"


def test_a_first_start_at_home_needs_no_secret() -> None:
    assert start().stdout == "False False\n"
