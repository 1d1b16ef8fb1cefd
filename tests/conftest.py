"""What every test starts from."""

import gc
import time
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import pytest_django.fixtures
from allauth.account.internal.flows import login
from allauth.account.internal.userkit import user_id_to_str
from django.contrib.auth.signals import user_logged_in
from django.core.management.sql import emit_post_migrate_signal
from django.db import connection
from django.db.backends.signals import connection_created
from django.test import TransactionTestCase
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from omixa_billing.embedded import home
from tests import isolation
from tests.kit import groups, needs, staged, statements, static_files
from tests.kit.cast import acme, codex_mini, gateway, invoice, key, stopped_clock, stripe, use
from tests.kit.commits import done_on_commit
from tests.kit.prepared import TEST_DATABASE
from tests.kit.tally import pytest_terminal_summary, tally

__all__ = [
    "acme",
    "codex_mini",
    "gateway",
    "invoice",
    "key",
    "pytest_terminal_summary",
    "stopped_clock",
    "stripe",
    "tally",
    "use",
]

# What failed in another run is reported by that run; it must not decide what this one tries.
hypothesis.settings.register_profile("omixa", database=None, print_blob=True)
hypothesis.settings.load_profile("omixa")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long stories first, in whatever order they were shuffled into: begun last they would keep one process busy alone."""
    if config.getoption("without_servers"):
        left_out = [item for item in items if needs.server(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    items.sort(key=lambda item: groups.turn_of(item.nodeid))


def pytest_collection_finish() -> None:
    """What is loaded by now stays. To look for garbage in it again and again took a tenth of a run."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return groups.make_scheduler(config, log)


_migrated_database = pytest_django.fixtures.django_db_setup


@pytest.fixture(scope="session")
def _prepared_database(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The server of this process came with one. What follows migrations each time follows here too."""
    connection.settings_dict["NAME"] = TEST_DATABASE
    with django_db_blocker.unblock():
        emit_post_migrate_signal(verbosity=0, interactive=False, db=connection.alias)


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """After a test that commits all is as it was found. Only this database lets a test empty a table that is never emptied."""
    is_prepared = home.uses_embedded_postgres() and not request.config.getoption("create_db")
    request.getfixturevalue("_prepared_database" if is_prepared else "_migrated_database")
    with django_db_blocker.unblock():
        name = sql.Identifier(str(connection.settings_dict["NAME"]))
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("ALTER DATABASE {} SET omixa.may_truncate = 'on'").format(name))
        migrated = isolation.Migrated()
        connection.close()
    connection_created.connect(staged.make_tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: migrated.put_back())
        yield


@pytest.fixture(autouse=True)
def _nothing_of_one_test_reaches_the_next(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    isolation.forget()
    surroundings = isolation.Surroundings()
    yield
    monkeypatch.undo()
    isolation.forget()
    assert surroundings.changes() == []


@pytest.fixture(scope="session", autouse=True)
def _statements_are_watched() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        statements.watch(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_found_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        static_files.find_once(patch)
        yield


@pytest.fixture(autouse=True)
def _no_statement_needs_a_single_server() -> Iterator[None]:
    yield
    assert statements.found() == []


@pytest.fixture(autouse=True)
def _what_is_left_to_the_commit_is_done() -> Iterator[None]:
    with done_on_commit():
        yield


@pytest.fixture(autouse=True)
def _passwords_are_cheap(settings: Any) -> None:
    """A real hash takes longer than most tests, and its strength is Django's to test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def _just_confirmed(request: Any, user: Any, **rest: Any) -> None:
    """`force_login` stands for a sign-in after which the person confirmed who they are. A sign-in on the page does not."""
    if not login.get_authentication_records(request, user):
        confirmed = [{"method": "password", "at": time.time(), "reauthenticated": True}]
        request.session[login.AUTHENTICATION_METHODS_SESSION_KEY] = confirmed
        request.session[login._AUTHENTICATION_METHODS_USER_SESSION_KEY] = user_id_to_str(user)


user_logged_in.connect(_just_confirmed)
