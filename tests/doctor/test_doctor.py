"""The examination finds what keeps an installation from working, says what to do, and is not stopped by it itself."""

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from metering.doctor import machine, servers, work
from metering.doctor.findings import WARNING, Finding, printed, report
from metering.ingest.models import QuarantinedEvent
from metering.jobs.models import JobRun
from omixa_billing.celery import app
from tests.first_run import free_port
from tests.kit.factories import an_event, make_gateway, make_key, make_workspace, send

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
Usage = namedtuple("Usage", "total used free")


def doctor(**environment: str) -> tuple[int, dict[str, Any]]:
    """Its exit code and what it prints, run as an operator does."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 1, done.stderr
    return done.returncode, json.loads(done.stdout)


def severities(found: Any) -> list[tuple[str, str]]:
    return [(each.check, each.severity) for each in found]


def test_only_an_error_makes_it_not_ok() -> None:
    warning, error = (
        Finding("disk", "warning", "It is low.", "Free some."),
        Finding("disk", "error", "It is full.", "Free some."),
    )
    assert report([]) == {"ok": True, "findings": []}
    assert report([warning]) == {
        "ok": True,
        "findings": [{"check": "disk", "severity": "warning", "message": "It is low.", "fix": "Free some."}],
    }
    assert report([warning, error])["ok"] is False


def test_settings_that_refuse_to_start_are_its_findings(tmp_path: Path) -> None:
    code, printed = doctor(OMIXA_HOME=str(tmp_path / "home"), OMIXA_ENV="prod", INVOICE_DUE_DAYS="soon")
    assert code == 1
    assert printed["ok"] is False
    assert [(each["check"], each["severity"]) for each in printed["findings"]] == [("settings", "error")] * 2
    assert printed["findings"][0]["message"] == "OMIXA_ENV is 'prod'."
    assert printed["findings"][1]["message"].startswith("INVOICE_DUE_DAYS cannot be read: ")


def test_a_database_and_a_broker_that_are_away_are_said_and_the_rest_is_examined(tmp_path: Path) -> None:
    closed = free_port()
    code, printed = doctor(
        OMIXA_HOME=str(tmp_path / "home"),
        DATABASE_URL=f"postgres://omixa:secret-word@127.0.0.1:{closed}/omixa",
        CELERY_BROKER_URL=f"redis://:secret-word@127.0.0.1:{closed}/0",
        EMAIL_URL=f"smtp://mailer:secret-word@127.0.0.1:{closed}",
    )
    found = {each["check"]: each for each in printed["findings"]}
    assert code == 1
    assert list(found) == ["settings", "running", "database", "broker", "mail", "stripe"]
    assert [found[name]["severity"] for name in ("database", "broker", "mail")] == ["error", "error", "warning"]
    assert found["database"]["message"].startswith("The database does not answer: ")
    assert found["database"]["fix"] == "Start it, or correct DATABASE_URL."
    assert found["broker"]["message"].startswith("The broker does not answer: ")
    assert found["mail"]["message"].startswith("The mail server does not answer: ")
    assert "secret-word" not in json.dumps(printed)


def test_production_without_its_own_host_mail_or_operators_is_told(settings: Any) -> None:
    settings.PRODUCTION, settings.PUBLIC_URL, settings.ALLOWED_HOSTS = True, "https://billing.example.com", ["example.com"]
    settings.OPERATOR_EMAILS, settings.EMAIL_URL = [], ""
    assert severities(machine.settings_found()) == [("settings", "error"), ("settings", "warning")]
    assert severities(servers.mail_found()) == [("mail", "warning")]
    settings.ALLOWED_HOSTS, settings.OPERATOR_EMAILS = [".example.com"], ["ops@example.com"]
    assert severities(machine.settings_found()) == []


@pytest.mark.parametrize(("free", "found"), [(100, ["error"]), (1000, ["warning"]), (4000, [])])
def test_a_disk_that_fills_up_is_told_before_it_is_full(monkeypatch: Any, free: int, found: list[str]) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free * 1024 * 1024))
    assert [each.severity for each in machine.disk_found()] == found


def test_what_others_may_read_under_the_home_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("OMIXA_HOME", str(home))
    home.mkdir(mode=0o711)
    (home / "log").mkdir(mode=0o755)
    (home / "log" / "web.log").touch(0o644)
    (home / "closed").mkdir(mode=0o700)
    (home / "closed" / "inside").touch(0o644)
    [finding] = machine.permissions_found()
    assert finding.message == f"Other accounts can read or write {home}/log, {home}/log/web.log."
    (home / "log").chmod(0o700)
    assert list(machine.permissions_found()) == []


@pytest.mark.parametrize(
    ("apart", "found"),
    [(0.5, []), (-0.5, []), (3, [("clock", "warning")]), (-3, [("clock", "warning")]), (700, [("clock", "error")])],
)
def test_clocks_agree_to_the_second(apart: float, found: list[tuple[str, str]]) -> None:
    assert severities(servers.clock_found(NOW, NOW + timedelta(seconds=apart), NOW)) == found


@pytest.mark.django_db
def test_a_migration_that_is_not_applied_is_named() -> None:
    assert list(servers.migrations_found(True)) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM django_migrations WHERE app = 'workspaces' ORDER BY name DESC LIMIT 1")
        (last,) = cursor.fetchone()
    MigrationRecorder(connection).record_unapplied("workspaces", last)
    [finding] = servers.migrations_found(True)
    assert (finding.severity, finding.message) == ("error", f"1 migration not applied, the first is workspaces.{last}.")
    assert severities(servers.migrations_found(False)) == [("migrations", "warning")]


@pytest.mark.django_db
def test_batches_that_wait_long_are_an_error_only_where_workers_are_meant_to_be() -> None:
    send(make_gateway(), [an_event(make_key(make_workspace()))], process=False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT received_at FROM metering_batch")
        (received_at,) = cursor.fetchone()
    for minutes, runs, found in ((0.5, True, []), (2, True, ["warning"]), (20, True, ["error"]), (20, False, ["warning"])):
        at = received_at + timedelta(minutes=minutes)
        assert [each.severity for each in work.waiting_found(at, runs)] == found


@pytest.mark.django_db
def test_a_schedule_that_stands_still_is_an_error() -> None:
    assert severities(work.schedule_found(NOW, None)) == [("schedule", "error")]
    assert severities(work.schedule_found(NOW, NOW - timedelta(minutes=1))) == []  # it has just been started
    JobRun.objects.create(job="metering.sweep_inbox", started_at=NOW - timedelta(minutes=5))
    assert severities(work.schedule_found(NOW, NOW - timedelta(days=9))) == []
    [finding] = work.schedule_found(NOW + timedelta(minutes=6), NOW - timedelta(days=9))
    assert finding.message == (
        "The schedule last ran at 2026-03-10 11:55 UTC: months are not closed, nothing is collected and no mail is sent."
    )
    JobRun.objects.create(job="metering.sweep_inbox", started_at=NOW + timedelta(minutes=6), started_by="ops@omixa.example")
    assert severities(work.schedule_found(NOW + timedelta(minutes=6), None)) == [("schedule", "error")]


@pytest.mark.django_db
def test_a_database_that_is_too_old_is_named_with_its_version(monkeypatch: Any) -> None:
    version = connection.connection.info.server_version // 10_000
    monkeypatch.setattr(servers, "POSTGRES_AT_LEAST", version)
    assert [each for each in servers.database_found() if each.severity == "error"] == []
    monkeypatch.setattr(servers, "POSTGRES_AT_LEAST", version + 1)
    [finding] = [each for each in servers.database_found() if each.severity == "error"]
    assert finding == Finding(
        "database",
        "error",
        f"The database is PostgreSQL {version}, and this needs {version + 1} or newer.",
        "Upgrade it, or point DATABASE_URL at a newer server.",
    )


def test_a_broker_that_is_too_old_is_named_with_its_version(monkeypatch: Any) -> None:
    with app.connection_for_write() as broker:
        version = broker.default_channel.client.info("server")["redis_version"]
    major, minor = map(int, version.split(".")[:2])
    monkeypatch.setattr(servers, "REDIS_AT_LEAST", (major, minor))
    assert list(servers.broker_found()) == []
    monkeypatch.setattr(servers, "REDIS_AT_LEAST", (major, minor + 1))
    assert list(servers.broker_found()) == [
        Finding(
            "broker",
            "warning",
            f"The broker is Redis {version}, and this needs {major}.{minor + 1} or newer.",
            "Upgrade it, or point CELERY_BROKER_URL at a newer server.",
        )
    ]


def test_a_broker_without_workers_is_an_error() -> None:
    assert list(servers.broker_found()) == []
    assert severities(work.workers_found()) == [("workers", "error")]


def test_stripe_is_asked_whether_it_answers(settings: Any) -> None:
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = "", ""
    assert severities(servers.stripe_found()) == [("stripe", "info")]
    settings.PRODUCTION, settings.STRIPE_SECRET_KEY = True, "sk_test_nothing"
    settings.STRIPE_API_BASE, settings.STRIPE_MAX_RETRIES = f"http://127.0.0.1:{free_port()}", 0
    found = list(servers.stripe_found())
    assert severities(found) == [("stripe", "warning")] * 3
    assert found[2].message.startswith("Stripe does not answer as it should: ")


def test_in_a_terminal_it_is_words_and_what_matters_most_comes_first() -> None:
    away = Finding(
        "broker", "error", "The broker does not answer: connection refused.", "Start it, or correct CELERY_BROKER_URL."
    )
    mail = Finding("mail", "info", "No mail server is set.", "Set EMAIL_URL.")
    assert printed(report([mail, away]), for_people=True, width=60).splitlines() == [
        "error   broker: The broker does not answer: connection",
        "        refused.",
        "        Start it, or correct CELERY_BROKER_URL.",
        "",
        "info    mail: No mail server is set.",
        "        Set EMAIL_URL.",
        "",
        "Findings marked as errors stop the product.",
    ]
    assert printed(report([]), for_people=True) == "No finding stops the product."
    assert json.loads(printed(report([mail]), for_people=False))["ok"] is True


def test_a_terminal_is_recognised() -> None:
    """Run with a terminal as its output, as an operator sees it; settings that refuse to start are said in words too."""
    ours, theirs = os.openpty()
    environment = os.environ | {"OMIXA_ENV": "prod"}
    command = [sys.executable, "manage.py", "doctor"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=theirs, stderr=subprocess.DEVNULL, timeout=120, check=False
    )
    os.close(theirs)
    seen = os.read(ours, 65_536).decode()
    os.close(ours)
    assert done.returncode == 1
    assert seen.startswith("error   settings: ")
    assert "{" not in seen


@pytest.mark.django_db
def test_numbers_that_nobody_understands_are_found_until_a_rule_says_what_they_are() -> None:
    assert list(work.not_understood_found()) == []
    usage = {"prompt_tokens": 10, "completion_tokens": 5} | {f"strange_{at}": 1 for at in range(7)}
    send(make_gateway(), [an_event(make_key(make_workspace()), usage=usage)])
    (finding,) = work.not_understood_found()
    assert (finding.check, finding.severity) == ("not_understood", WARNING)
    assert finding.message == (
        "Events wait because nobody knows what a number in their usage is: strange_0 (openai.chat), strange_1 (openai.chat), "
        "strange_2 (openai.chat), strange_3 (openai.chat), strange_4 (openai.chat)."
    )
    assert "Numbers not understood" in finding.fix
    QuarantinedEvent.objects.update(settled_at=NOW)
    assert list(work.not_understood_found()) == []
