"""A database that was made by the migrations of before: brought to today's form once, whole, or refused as it is.

`former_database.sql.gz` is a dump of one, with usage, corrections, a re-rating, an invoice, its payment and credit note,
people, an audit trail, and a schedule that an operator changed.
"""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import DataError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django_celery_beat.models import PeriodicTask
from pytest_django.plugin import DjangoDbBlocker

from metering.ingest.directory import directory
from metering.jobs.timetable import TIMETABLE
from metering.models import EventCorrection, Invoice, PaymentAccount, UsageEvent
from metering.reconcile.everything import everything
from omixa_billing.supervision import database, history
from tests.kit.depth import DEEP
from tests.kit.factories import an_event, send
from tests.kit.schema import differences, schema
from tests.kit.shape import shape_faults
from workspaces.audit import chain
from workspaces.models import APIKey, Gateway, Workspace

# The database of the tests is made only where a test says that it needs one, and what these do is committed.
pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
FORMER = gzip.decompress((ROOT / "tests" / "project" / "former_database.sql.gz").read_bytes()).decode()
OTHER, UPGRADED = "omixa_other", "omixa_upgraded"
NOW = datetime(2026, 10, 20, tzinfo=UTC)
# What a start may add to: its own history, and jobs that the schedule lacks.
GROWING = {
    "django_migrations",
    "django_celery_beat_periodictask",
    "django_celery_beat_periodictasks",
    "auth_permission",
    "django_content_type",
}

# Invoices, their payments and credit notes of before the journal.
JOURNAL_ROWS = {"metering_journalentry": 6, "metering_journalposting": 12, "metering_journalbalance": 12}
JOURNAL = JOURNAL_ROWS.keys()
# To these a new job adds when it runs.
TIMES = {"django_celery_beat_crontabschedule", "django_celery_beat_intervalschedule"}
SENTENCES = """
UPDATE public.workspaces_workspace SET suspended_at = now(),
    suspended_because = 'The invoice OMX-2026-00001 is overdue. Its prepaid credit is used up.';
INSERT INTO public.metering_paymentaccount (id, workspace_id, top_up_stopped, setup_session_id, method_id, method_kind, brand,
    last_four, top_ups_per_day, created_at) SELECT id, id, 'Declined.', '', '', '', '', '', 3, now()
    FROM public.workspaces_workspace;
INSERT INTO public.metering_invoice SELECT (jsonb_populate_record(kept, jsonb_build_object('id', 900, 'public_id', 'inv_held',
    'status', 'draft', 'number', NULL, 'period_start', kept.period_start - interval '1 month', 'amount_paid', 0, 'credited', 0,
    'amount_due', kept.total - kept.credits_applied,
    'held', '7 tokens are taken back (June 2026: m, input) and nothing explains it. 3 events of June 2026: not billed.'))).*
    FROM public.metering_invoice AS kept ORDER BY id LIMIT 1;
"""

Another = Callable[..., AbstractContextManager[None]]


@contextmanager
def connected_to(name: str) -> Iterator[None]:
    """The product's database is this one, for as long as the block."""
    tests, settings = str(connection.settings_dict["NAME"]), connection.settings_dict
    connection.close()
    settings["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        settings["NAME"] = tests


@contextmanager
def a_database(sql: str = "", template: str = "template0") -> Iterator[None]:
    """Beside that of the tests, and the product's for as long as the block: a copy of a template, with what `sql` makes."""
    make_database(OTHER, template)
    try:
        with connected_to(OTHER):
            fill(sql)
            yield
    finally:
        drop_database(OTHER)


def make_database(name: str, template: str = "template0") -> None:
    run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    run(f"CREATE DATABASE {name} TEMPLATE {template}")


def drop_database(name: str) -> None:
    run(f"DROP DATABASE {name} WITH (FORCE)")


def fill(sql: str) -> None:
    if sql:
        run(sql)
        connection.close()  # with the settings that the dump made


@pytest.fixture
def another_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Another]:
    with django_db_blocker.unblock():
        yield a_database


@dataclass(frozen=True)
class Former:
    """What was in a database of before, and what of it was wrong."""

    columns: dict[str, set[str]]
    rows: dict[str, list[str]]
    tasks: set[str]
    faults: list[str]


@pytest.fixture(scope="module")
def former(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Former]:
    """UPGRADED before its upgrade, which happens once: a test that needs the result takes a copy."""
    with django_db_blocker.unblock():
        make_database(UPGRADED)
        with connected_to(UPGRADED):
            fill(FORMER)
            tasks = set(PeriodicTask.objects.values_list("task", flat=True))
            found = Former(columns(), contents(columns()), tasks, shape_faults())
            database.bring_up_to_date()
    yield found
    with django_db_blocker.unblock():
        drop_database(UPGRADED)


def run(sql: str) -> None:
    connection.ensure_connection()
    connection.connection.execute(sql)


def columns() -> dict[str, set[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name, array_agg(column_name::text) FROM information_schema.columns GROUP BY 1")
        return {table: set(names) for table, names in cursor.fetchall()}


def contents(of_before: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """All rows of all tables, as text, without the columns that a table of before has got since."""
    with connection.cursor() as cursor:
        found, today = {}, columns()
        for table in sorted(set(connection.introspection.table_names(cursor)) - GROWING):
            new = list(today[table] - of_before.get(table, today[table]))
            cursor.execute(f'SELECT (to_jsonb(a_row) - %s::text[])::text FROM "{table}" AS a_row ORDER BY 1', [new])
            found[table] = [row for (row,) in cursor.fetchall()]
        return found


def recorded() -> set[tuple[str, str]]:
    return set(MigrationRecorder(connection).applied_migrations())


def test_a_database_of_before_becomes_as_a_new_one_and_keeps_every_row(another_database: Another, former: Former) -> None:
    new, todays = schema(), recorded()
    assert former.faults == [
        "metering_eventcorrection_pkey is unique without a workspace_id that is not null",
        "metering_eventcorrection has a foreign key to metering_rerating",
    ]
    before = former.rows
    assert (len(before["metering_usageevent"]), len(before["metering_eventcorrection"])) == (41, 30)
    with another_database(template=UPGRADED):
        assert differences(new, schema()) == {}
        after = contents(former.columns)
        assert all(set(before[table]) < set(after[table]) for table in TIMES)
        kept = before.keys() - TIMES
        assert differences({table: before[table] for table in kept}, {table: after[table] for table in kept}) == {}
        new_tables = after.keys() - before.keys()
        assert {row for table in new_tables - JOURNAL for row in after[table]} == set(), "new tables are empty"
        assert {table: len(after[table]) for table in JOURNAL} == JOURNAL_ROWS, "but for what the documents posted"
        assert recorded() == todays
        assert not database.is_behind()
        directory.forget()
        today = datetime.now(UTC)
        assert directory.missing_months({(today.year, today.month)}) == set()
        assert (everything()["ok"], chain.verify()["ok"], shape_faults()) == (True, True, [])


def test_what_an_operator_changed_in_the_schedule_survives_and_a_missing_job_comes_back(
    another_database: Another, former: Former
) -> None:
    assert "metering.tell_expiring_keys" not in former.tasks
    with another_database(template=UPGRADED):
        tasks = {task.task: task for task in PeriodicTask.objects.select_related("interval", "crontab")}
        assert len(tasks) == PeriodicTask.objects.count()
        assert set(tasks) == {job.task for job in TIMETABLE}
        collecting = tasks["metering.collect_invoices"].interval
        assert (collecting.every, collecting.period) == (30, "minutes")
        assert not tasks["metering.tell_expiring_cards"].enabled
        assert str(tasks["metering.tell_expiring_keys"].crontab).startswith("15 08 * * *")


def test_what_was_only_a_sentence_gets_its_code(another_database: Another) -> None:
    with another_database(FORMER + SENTENCES):
        database.bring_up_to_date()
        assert set(map(tuple, Workspace.objects.values_list("suspensions", flat=True))) == {("past_due", "no_credit")}
        assert Invoice.objects.get(public_id="inv_held").holds == ["unexplained", "events"]
        assert not Invoice.objects.exclude(public_id="inv_held").exclude(holds=[]).exists()
        assert PaymentAccount.objects.filter(top_ups_stopped_at__isnull=False).count() == 2


def test_usage_goes_on_where_it_was(another_database: Another, former: Former) -> None:
    with another_database(template=UPGRADED):
        key, gateway = APIKey.objects.order_by("pk").first(), Gateway.objects.get(name="eu-1")
        assert key is not None
        batch = send(gateway, [an_event(key, request_id="req_1"), an_event(key, request_id="after")], NOW)
        assert (batch.recorded, batch.conflict) == (1, 1)  # req_1 was counted before
        assert UsageEvent.objects.count() == 42
        newest = EventCorrection.objects.order_by("-id").values_list("id", flat=True)[0]
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('metering_eventcorrection', 'id'))")
            assert cursor.fetchone()[0] == newest + 1


def test_a_database_in_the_middle_is_refused_and_left_as_it_is(another_database: Another) -> None:
    with another_database(FORMER):
        MigrationRecorder(connection).record_unapplied("metering", "0030_lost_job_orders_are_sent_again")
        before, names = (schema(), contents({})), recorded()
        with pytest.raises(history.HistoryRefused, match=r"lacks 1 of .* metering\.0030_lost_job_orders_are_sent_again among"):
            database.bring_up_to_date()
        assert ((schema(), contents({})), recorded()) == (before, names)


def test_a_change_that_fails_leaves_nothing_behind(another_database: Another, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "CHANGES", f"{history.CHANGES} SELECT 1 / 0;")
    with another_database(FORMER):
        before, names = schema(), recorded()
        with pytest.raises(DataError, match="division by zero"):
            database.bring_up_to_date()
        assert (schema(), recorded()) == (before, names)


@pytest.mark.parametrize(
    ("lacking", "code", "said"),
    [
        ((), 0, "Operations to perform"),
        ((("workspaces", "0013_audit_by_action_and_actor"),), 1, "It was not changed. Start the last version that has"),
    ],
)
def test_manage_py_migrate_does_the_same(
    lacking: tuple[tuple[str, str], ...], code: int, said: str, another_database: Another
) -> None:
    new = schema()
    with another_database(FORMER):
        for app, name in lacking:
            MigrationRecorder(connection).record_unapplied(app, name)
        used = connection.get_connection_params()
        password = f":{used['password']}" if used.get("password") else ""
        url = f"postgres://{used['user']}{password}@/{OTHER}?host={used['host']}&port={used.get('port') or 5432}"
        connection.close()
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, said in done.stdout + done.stderr, "Traceback" in done.stderr) == (code, True, False), done
        assert (differences(new, schema()) == {}) == (code == 0)


def test_the_migrations_can_be_taken_back_and_applied_again(another_database: Another, former: Former) -> None:
    """With rows in the tables, as an operator would. With DEEP all of them: the older ones were among the newest once."""
    new = schema()
    with another_database(template=UPGRADED):
        call_command("migrate", "metering", "zero" if DEEP else before_the_newest(5), verbosity=0)
        assert differences(new, schema()) != {}
        if DEEP:
            assert [name for name in schema() if name.split()[1].startswith("metering")] == []
            call_command("migrate", "workspaces", "0001", verbosity=0)
            assert [name for name in schema() if name.split()[1].startswith("workspaces_audit")] == []
        call_command("migrate", verbosity=0)
        assert differences(new, schema()) == {}


def before_the_newest(several: int) -> str:
    names = sorted(name for app, name in MigrationLoader(connection).disk_migrations if app == "metering")
    return names[-several - 1]


def test_no_migration_of_today_has_the_name_of_one_of_before() -> None:
    assert set() == history.FORMER & history.TODAY
    assert len(history.FORMER) == 13 + 30
