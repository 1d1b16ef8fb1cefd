"""The trail is a chain: who changes it as the tables' owner, with every trigger off, is found out."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from textwrap import dedent
from threading import Event
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from tests.kit.concurrent import at_once, wait_until_another_waits
from tests.kit.factories import NOW
from tests.kit.people import a_key
from workspaces import audit
from workspaces.audit import chain
from workspaces.keys import issue
from workspaces.models import APIKey, AuditHead, AuditSeal, Workspace

TEXTS = ["plain", "ünï “quotes” \\ and\nlines\t\x01\x7f", "\u2028 \U0001f600 </script>", ""]
INSERT = """
INSERT INTO workspaces_auditentry (at, actor, actor_kind, action, target, detail, user_agent)
VALUES (now(), 'ghost@acme.example', 'member', 'key.revoked', 'key_1', '{}', '')
"""
# The end is removed and the head put back to where the chain now ends.
FORGET_THE_LAST = """
DELETE FROM workspaces_auditseal WHERE position = 3;
DELETE FROM workspaces_auditentry WHERE target = 'key_3';
UPDATE workspaces_audithead SET position = 2, hash = (SELECT hash FROM workspaces_auditseal WHERE position = 2);
"""
TAMPERING: dict[str, tuple[str, int | None, str]] = {
    "a changed actor": (
        "UPDATE workspaces_auditentry SET actor = 'eve@acme.example' WHERE target = 'key_2'",
        2,
        "the entry was changed after it was written, or put into another's place",
    ),
    "a changed time": (
        "UPDATE workspaces_auditentry SET at = at + interval '1 microsecond' WHERE target = 'key_2'",
        2,
        "the entry was changed after it was written, or put into another's place",
    ),
    "a changed detail": (
        "UPDATE workspaces_auditentry SET detail = '{\"name\": \"other\"}' WHERE target = 'key_3'",
        3,
        "the entry was changed after it was written, or put into another's place",
    ),
    "another address": (
        "UPDATE workspaces_auditentry SET ip_address = '192.0.2.1' WHERE target = 'key_1'",
        1,
        "the entry was changed after it was written, or put into another's place",
    ),
    "another workspace": (
        "UPDATE workspaces_auditentry SET workspace_id = NULL WHERE target = 'key_2'",
        2,
        "the entry was changed after it was written, or put into another's place",
    ),
    "a removed entry": (
        "DELETE FROM workspaces_auditseal WHERE position = 2; DELETE FROM workspaces_auditentry WHERE target = 'key_2'",
        3,
        "the entry before it is 1: those between were removed",
    ),
    "a removed entry whose seal stays": (
        "DELETE FROM workspaces_auditentry WHERE target = 'key_2'",
        2,
        "the entry was removed",
    ),
    "a removed first entry": (
        "DELETE FROM workspaces_auditseal WHERE position = 1; DELETE FROM workspaces_auditentry WHERE target = 'key_1'",
        2,
        "the entry before it is 0: those between were removed",
    ),
    "removed last entries": (
        "DELETE FROM workspaces_auditseal WHERE position = 3; DELETE FROM workspaces_auditentry WHERE target = 'key_3'",
        3,
        "the chain ends at 2, and its head is, or was, 3: the last entries were removed",
    ),
    "a removed entry with the rest moved up": (
        "DELETE FROM workspaces_auditseal WHERE position = 2; DELETE FROM workspaces_auditentry WHERE target = 'key_2';"
        "UPDATE workspaces_auditseal SET position = 2 WHERE position = 3",
        2,
        "it does not follow from the entry before it",
    ),
    "two entries that changed places": (
        "UPDATE workspaces_auditseal SET entry_id = -entry_id WHERE position IN (1, 2);"
        "UPDATE workspaces_auditseal s SET entry_id = -o.entry_id FROM workspaces_auditseal o"
        " WHERE s.position + o.position = 3 AND s.position = 1;"
        "UPDATE workspaces_auditseal SET entry_id = (SELECT id FROM workspaces_auditentry WHERE target = 'key_1')"
        " WHERE position = 2",
        1,
        "the entry was changed after it was written, or put into another's place",
    ),
    "an inserted entry": (INSERT, None, "the entry has no place in the chain: it was inserted around it"),
    "a head that was put back": (
        "UPDATE workspaces_audithead SET position = 2, hash = '\\x00'",
        2,
        "a head noted earlier has another hash: the chain was made again from here or before",
    ),
}


def sql(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


def seal() -> None:
    """What a commit does."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("SET CONSTRAINTS ALL DEFERRED")


@pytest.fixture
def three(db: None, acme: Workspace) -> None:
    """A trail of three entries, with the fixtures' own before them taken out of the way."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("TRUNCATE workspaces_auditentry, workspaces_auditseal, workspaces_audithead")
    sql("SET CONSTRAINTS ALL DEFERRED")
    audit.record("ada@acme.example", "key.created", "key_1", acme, now=NOW, name=TEXTS[1], last_four="7d2f")
    audit.record(
        "ada@acme.example", "key.renamed", "key_2", acme, now=NOW, before=TEXTS[2], after=None, more={"bb": 1, "a": []}
    )
    audit.record("stripe", "key.revoked", "key_3", now=NOW, many=[1, True, "1.50"])
    seal()


@pytest.fixture
def unguarded(three: None) -> None:
    """As the owner of the tables, who can switch off triggers and drop what ties them."""
    for table in ("entry", "seal", "head"):
        sql(f"ALTER TABLE workspaces_audit{table} DISABLE TRIGGER USER")
    name = "SELECT conname FROM pg_constraint WHERE conrelid = 'workspaces_auditseal'::regclass AND contype = 'f'"
    with connection.cursor() as cursor:
        cursor.execute(name)
        sql(f"ALTER TABLE workspaces_auditseal DROP CONSTRAINT {cursor.fetchone()[0]}")


def proof(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of the command."""
    out, code = StringIO(), 0
    try:
        call_command("verify_audit", *arguments, stdout=out)
    except SystemExit as end:
        code = int(str(end.code))
    return code, json.loads(out.getvalue())


def test_an_untouched_trail_is_proved(three: None) -> None:
    head = AuditHead.objects.get()
    expected = {"ok": True, "entries": 3, "first_difference": None, "head": f"3:{bytes(head.hash).hex()}"}
    assert proof() == (0, expected)


def test_an_empty_trail_is_proved(db: None) -> None:
    assert proof() == (0, {"ok": True, "entries": 0, "first_difference": None, "head": f"0:{'00' * 32}"})


@pytest.mark.parametrize("name", TAMPERING)
def test_what_was_touched_is_found(unguarded: None, name: str) -> None:
    statement, position, problem = TAMPERING[name]
    sql(statement)
    code, found = proof()
    assert (code, found["ok"]) == (1, False)
    assert (found["first_difference"]["position"], found["first_difference"]["problem"]) == (position, problem)


def test_a_chain_whose_head_was_put_back_is_found_by_a_head_noted_elsewhere(unguarded: None) -> None:
    noted = str(chain.head())
    sql(FORGET_THE_LAST)
    assert proof()[0] == 0  # what stands here agrees with itself
    code, found = proof("--head", noted)
    problem = "the chain ends at 2, and its head is, or was, 3: the last entries were removed"
    assert (code, found["first_difference"]) == (1, {"position": 3, "entry": None, "problem": problem})


def test_a_chain_made_again_is_found_by_a_head_noted_elsewhere(unguarded: None) -> None:
    noted = str(chain.head())
    sql("DELETE FROM workspaces_auditseal; DELETE FROM workspaces_audithead")
    sql("UPDATE workspaces_auditentry SET actor = 'eve@acme.example' WHERE target = 'key_2'")
    sql("SELECT workspaces_seal_audit_from(0)")
    assert proof()[0] == 0
    code, found = proof("--head", noted)
    assert (code, found["first_difference"]["position"]) == (1, 3)


@pytest.mark.parametrize("head", ["", "3", "3:abc", "x:" + "0" * 64])
def test_what_is_no_head_is_refused(db: None, head: str) -> None:
    with pytest.raises(CommandError, match=r"A head of the trail is POSITION:HASH"):
        call_command("verify_audit", "--head", head, stdout=StringIO())


def test_an_export_can_be_checked_by_a_program_that_knows_nothing_of_ours(three: None, tmp_path: Path) -> None:
    """The program is the one in docs/running.md, to the letter."""
    out = StringIO()
    call_command("export_audit", stdout=out)
    lines = out.getvalue().split("\n")[:-1]
    assert [json.loads(line)["target"] for line in lines] == ["key_1", "key_2", "key_3"]

    file = tmp_path / "audit.jsonl"
    file.write_text(out.getvalue(), encoding="utf-8")
    ran = subprocess.run([sys.executable, "-c", documented_program(), file], capture_output=True, text=True, check=True)
    assert ran.stdout == f"untouched up to {chain.head().hash}\n"
    file.write_text(out.getvalue().replace("ada@", "eve@", 1), encoding="utf-8")
    ran = subprocess.run([sys.executable, "-c", documented_program(), file], capture_output=True, text=True, check=False)
    assert "AssertionError: 1" in ran.stderr


def documented_program() -> str:
    page = (Path(__file__).resolve().parents[3] / "docs" / "running.md").read_text()
    return dedent(page[page.index("    import hashlib, json, sys") : page.index("## The quarantine")])


def test_one_workspace_is_exported_alone(three: None, acme: Workspace) -> None:
    out = StringIO()
    call_command("export_audit", "--workspace", acme.public_id, stdout=out)
    assert [json.loads(line)["position"] for line in out.getvalue().split("\n")[:-1]] == [1, 2]
    with pytest.raises(CommandError, match="There is no workspace ws_none"):
        call_command("export_audit", "--workspace", "ws_none", stdout=StringIO())


def test_ten_thousand_entries_of_one_transaction_are_sealed_once_each(three: None, acme: Workspace) -> None:
    audit.record_many("ops", "quarantine.dismissed", ((f"q_{n}", acme, {"n": n}) for n in range(10_000)), now=NOW)
    seal()
    assert proof()[1] | {"head": ""} == {"ok": True, "entries": 10_003, "first_difference": None, "head": ""}


def test_what_is_recorded_after_a_seal_of_the_same_transaction_is_sealed_too(three: None) -> None:
    audit.record("ada@acme.example", "key.created", "key_4", now=NOW)
    seal()
    audit.record("ada@acme.example", "key.created", "key_5", now=NOW)
    seal()
    assert proof()[1]["entries"] == 5


def test_a_savepoint_that_is_rolled_back_leaves_no_gap(three: None) -> None:
    with transaction.atomic():
        audit.record("ada@acme.example", "key.created", "key_gone", now=NOW)
        transaction.set_rollback(True)
    audit.record("ada@acme.example", "key.created", "key_4", now=NOW)
    seal()
    assert (proof()[1]["ok"], AuditSeal.objects.count()) == (True, 4)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE workspaces_auditseal SET hash = '\\x00'", "the audit trail is append-only: UPDATE refused"),
        ("DELETE FROM workspaces_auditseal", "the audit trail is append-only: DELETE refused"),
        (
            "INSERT INTO workspaces_auditseal (position, previous_hash, hash, entry_id) VALUES (9, '\\x00', '\\x00', 1)",
            "is written by the seal alone: INSERT refused",
        ),
        ("UPDATE workspaces_audithead SET position = 0", "is written by the seal alone: UPDATE refused"),
        ("DELETE FROM workspaces_audithead", "the audit trail is append-only: DELETE refused"),
    ],
)
def test_the_database_refuses_to_change_the_chain(three: None, statement: str, said: str) -> None:
    with pytest.raises(DatabaseError, match=said), transaction.atomic():
        sql(statement)
    assert proof()[0] == 0


@pytest.mark.parametrize("table", ["auditentry", "auditseal", "audithead"])
def test_the_database_refuses_to_empty_the_trail(three: None, table: str) -> None:
    sql("SELECT set_config('omixa.may_truncate', 'off', true)")
    with pytest.raises(DatabaseError, match="is never emptied"), transaction.atomic():
        sql(f"TRUNCATE workspaces_{table} CASCADE")
    sql("SELECT set_config('omixa.may_truncate', 'on', true)")


@pytest.mark.django_db(transaction=True)
def test_acts_at_once_are_one_chain_without_gaps(acme: Workspace) -> None:
    keys = [issue.create_key(acme, "live", f"Key {n}", "the tests", NOW)[0] for n in range(8)]
    before = AuditSeal.objects.count()
    results = at_once(*[lambda key=key: issue.revoke_key(key, "the tests", NOW) for key in keys])  # type: ignore[misc]
    assert not [each for each in results if isinstance(each, Exception)]
    assert list(AuditSeal.objects.order_by("position").values_list("position", flat=True)) == list(range(1, before + 9))
    assert chain.verify()["ok"]


@pytest.mark.django_db(transaction=True)
def test_the_lock_of_the_head_is_held_by_nobody_who_waits(acme: Workspace) -> None:
    """One act holds the workspace and is to be sealed; another one's foreign key waits for it. Sealed in the order of their
    statements, each would wait for the other."""
    key = a_key(acme)[0]
    locked, recorded = Event(), Event()

    def holder() -> None:
        with transaction.atomic():
            Workspace.objects.select_for_update().get(pk=acme.pk)
            locked.set()
            assert recorded.wait(30)
            wait_until_another_waits()
            audit.record("one@acme.example", "key.renamed", key.public_id, now=NOW)

    def waiter() -> None:
        assert locked.wait(30)
        with transaction.atomic():
            audit.record("two@acme.example", "key.created", "key_new", now=NOW)
            APIKey.objects.create(workspace_id=acme.pk, kind="live", name="Late")
            recorded.set()

    assert at_once(holder, waiter) == [None, None]
    assert chain.verify()["ok"]
