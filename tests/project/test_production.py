"""Production refuses to start with a secret that is missing or everybody's, and says which."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.first_run import free_port
from tests.kit.started import STRONG, start

ROOT = Path(__file__).resolve().parents[2]


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
    assert start(**example() | {"SECRET_KEY": STRONG}).stdout == "True False\n"


def test_production_shows_no_tracebacks() -> None:
    refused = start(OMIXA_ENV="production", SECRET_KEY=STRONG, DEBUG="1")
    assert refused.returncode != 0
    assert "Unset DEBUG" in refused.stderr


def test_production_with_a_secret_starts() -> None:
    assert start(OMIXA_ENV="production", SECRET_KEY=STRONG).stdout == "True False\n"


def test_a_first_start_at_home_needs_no_secret() -> None:
    assert start().stdout == "False False\n"


@pytest.mark.parametrize("word", ["prod", "Production", "live", "staging", ""])
def test_another_word_than_the_two_environments_is_a_refusal_to_start(word: str) -> None:
    refused = start(OMIXA_ENV=word)
    assert refused.returncode != 0
    assert f"  - OMIXA_ENV is {word!r}. Set it to production or to development; unset, it is development." in refused.stderr


def test_every_fault_is_said_in_one_list() -> None:
    refused = start(
        OMIXA_ENV="production",
        SECRET_KEY="short",
        DEBUG="1",
        PUBLIC_URL="http://billing.example.com",
        ALLOWED_HOSTS="billing.example.com,*",
        INVOICE_NUMBER_PREFIX="OMX-CN",
        INVOICE_DUE_DAYS="soon",
        TOP_UP_MINIMUM="five",
    )
    said = refused.stderr[refused.stderr.index("The settings have") :].splitlines()
    assert said[0] == "The settings have 7 faults:"
    assert [line.split()[1] for line in said[1:]] == [
        "SECRET_KEY",
        "DEBUG",
        "PUBLIC_URL",
        "ALLOWED_HOSTS",
        "INVOICE_DUE_DAYS",
        "TOP_UP_MINIMUM",
        "INVOICE_NUMBER_PREFIX",
    ]


@pytest.mark.parametrize("secret", ["x" * 50, "0123456789" * 6, "password1234567890" * 3, STRONG[:49]])
def test_production_refuses_a_secret_that_can_be_guessed(secret: str) -> None:
    refused = start(OMIXA_ENV="production", SECRET_KEY=secret)
    assert refused.returncode != 0
    assert "SECRET_KEY" in refused.stderr
    assert secret not in refused.stderr


@pytest.mark.parametrize(
    "address", ["http://billing.example.com", "http://10.0.0.4:8000", "billing.example.com", "https://", ""]
)
def test_production_refuses_an_address_without_tls(address: str) -> None:
    refused = start(OMIXA_ENV="production", SECRET_KEY=STRONG, PUBLIC_URL=address)
    assert refused.returncode != 0
    assert f"PUBLIC_URL is {address}" in refused.stderr.replace("'", "")


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000", "https://billing.example.com"]
)
def test_production_starts_at_an_address_with_tls_or_on_this_machine_alone(address: str) -> None:
    assert start(OMIXA_ENV="production", SECRET_KEY=STRONG, PUBLIC_URL=address).stdout == "True False\n"


def test_make_run_says_the_faults_on_the_terminal_and_ends(tmp_path: Path) -> None:
    mine = {
        "OMIXA_HOME": str(tmp_path / "home"),
        "PORT": str(free_port()),
        "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
    }
    done = subprocess.run(
        [sys.executable, "-m", "omixa_billing.supervision"],
        cwd=ROOT,
        env={**os.environ, "CELERY_BROKER_URL": "redis://127.0.0.1:9", **mine, "OMIXA_ENV": "prod", "INVOICE_DUE_DAYS": "soon"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "The settings have 2 faults:\n  - OMIXA_ENV is 'prod'. Set it to production" in done.stdout
    assert "Preparing the database failed, so nothing else was started." in done.stdout
