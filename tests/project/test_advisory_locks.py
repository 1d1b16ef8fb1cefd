"""No two purposes share an advisory lock, and what waits for one waits for nothing else."""

import re
import threading
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from metering.journal.accounts import JournalAccount
from metering.journal.entries import EntryDraft, Kind, Subaccount, between
from metering.journal.post import post
from omixa_billing.advisory_locks import OF_FUNCTIONS, AdvisoryLock, LockClass
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_key, make_workspace
from tests.project.layers import ROOT
from workspaces.keys.issue import revoke_key
from workspaces.models import APIKey, Workspace

# What each function in the database locks. A new one is added here, with its purpose.
IN_THE_DATABASE = {
    "metering_refuse_locked_period": {AdvisoryLock.JOURNAL},
    "workspaces_note_access_change": {AdvisoryLock.ACCESS_CHANGES},
    "metering_note_billing_mode": {AdvisoryLock.ACCESS_CHANGES},
    "metering_limited": {AdvisoryLock.LIMITS},
    "metering_authorize": {AdvisoryLock.LIMITS},
    "metering_extend": {AdvisoryLock.LIMITS},
    "metering_release": {AdvisoryLock.LIMITS},
}
CALL = re.compile(r"pg_(?:try_)?advisory_(?:xact_)?lock(?:_shared)?\s*\(")
FUNCTIONS = "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosrc ~ 'pg_\\w*advisory'"


def argument(source: str, start: int) -> str:
    """From behind an opening parenthesis to the one that closes it."""
    depth = 1
    for at in range(start, len(source)):
        depth += {"(": 1, ")": -1}.get(source[at], 0)
        if depth == 0:
            return source[start:at]
    raise AssertionError("a parenthesis is not closed")


def locks_of_functions() -> dict[str, set[int]]:
    """The numbers that each function in the database locks. Each is a constant."""
    found: dict[str, set[int]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(FUNCTIONS)
        for name, source in cursor.fetchall():
            for call in CALL.finditer(source):
                cursor.execute(f"SELECT {argument(source, call.end())}")
                found[name].add(cursor.fetchone()[0])
    return dict(found)


def numbers_of_names() -> dict[str, set[int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, hashtext(name) FROM unnest(%s::text[]) AS name", [list(OF_FUNCTIONS)])
        return {name: {number} for name, number in cursor.fetchall()}


@pytest.mark.django_db
def test_functions_in_the_database_lock_what_the_list_says() -> None:
    assert locks_of_functions() == IN_THE_DATABASE | numbers_of_names()


@pytest.mark.django_db
def test_a_function_with_the_number_of_another_purpose_is_seen() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION takes_two() RETURNS void LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_advisory_xact_lock( hashtext('one')); PERFORM pg_try_advisory_xact_lock_shared(7239004); END $$"
        )
        cursor.execute("SELECT hashtext('one')")
        assert locks_of_functions()["takes_two"] == {cursor.fetchone()[0], AdvisoryLock.JOURNAL}


@pytest.mark.django_db
def test_no_two_purposes_have_one_number() -> None:
    of_one = [*map(int, AdvisoryLock), *(number for numbers in numbers_of_names().values() for number in numbers)]
    assert len(set(of_one)) == len(of_one) == len(AdvisoryLock) + len(OF_FUNCTIONS)
    assert len({int(each) for each in LockClass}) == len(LockClass.__members__)


def test_one_module_takes_advisory_locks() -> None:
    """Beside the functions in the database, which migrations make."""
    taking = [
        str(file.relative_to(ROOT))
        for package in ("omixa_billing", "workspaces", "metering", "scripts", "integrations")
        for file in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in file.parts and re.search(r"pg_\w*advisory", file.read_text())
    ]
    assert taking == ["omixa_billing/advisory_locks.py"]


def a_posting(workspace: Workspace, document: str) -> EntryDraft:
    sides = between(Decimal(1), Subaccount(JournalAccount.RECEIVABLE, document), Subaccount(JournalAccount.REVENUE_USAGE))
    return EntryDraft(Kind.INVOICE_FINALIZED, workspace.pk, document, "USD", NOW, "ops", sides)


def revoke(key: APIKey) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '10s'")
    return revoke_key(key, "ops", NOW)


@pytest.mark.django_db(transaction=True)
def test_a_key_is_revoked_while_a_posting_is_open(acme: Workspace) -> None:
    key = make_key(acme)
    with transaction.atomic():
        post(a_posting(acme, "inv_1"), NOW)
        assert at_once(lambda: revoke(key)) == [True]


@pytest.mark.django_db(transaction=True)
def test_two_who_post_and_revoke_keys_at_once_do_not_wait_in_a_circle(acme: Workspace) -> None:
    mine, theirs = make_key(acme), make_key(make_workspace("Other"))
    both_posted = threading.Barrier(2)

    def close(key: APIKey, document: str) -> bool:
        with transaction.atomic():
            post(a_posting(key.workspace, document), NOW)
            both_posted.wait(30)
            return bool(revoke(key))

    assert at_once(lambda: close(mine, "inv_1"), lambda: close(theirs, "inv_2")) == [True, True]
