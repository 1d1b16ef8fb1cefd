from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import ProtectedError

from tests.kit.factories import NOW
from tests.kit.people import a_key, trail
from tests.kit.tenants import with_key
from workspaces import audit
from workspaces.audit.origin import RequestOrigin, kind_of_actor
from workspaces.models import AuditEntry, Workspace


def test_an_entry_says_who_did_what_to_what_when(acme: Workspace) -> None:
    entry = audit.record("ada@acme.example", "price.set", "price_1", acme, now=NOW, input="1.5", after=None)
    entry.refresh_from_db()
    assert (entry.at, entry.actor, entry.action) == (NOW, "ada@acme.example", "price.set")
    assert (entry.target, entry.workspace) == ("price_1", acme)
    assert entry.detail == {"input": "1.5", "after": None}


def _by_sql(statement: str) -> Callable[[], None]:
    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return run


@pytest.mark.parametrize(
    "change",
    [
        lambda: AuditEntry.objects.update(actor="nobody"),
        lambda: AuditEntry.objects.all().delete(),
        lambda: AuditEntry.objects.get(target="price_1").save(),
        _by_sql("UPDATE workspaces_auditentry SET detail = '{}'"),
        _by_sql("DELETE FROM workspaces_auditentry"),
    ],
)
def test_the_database_refuses_to_change_the_trail(db: None, change: Callable[[], object]) -> None:
    audit.record("ada@acme.example", "price.set", "price_1", now=NOW, input="1.5")
    with pytest.raises(DatabaseError, match="the audit trail is append-only"), transaction.atomic():
        change()
    assert trail("price_1") == [("ada@acme.example", "price.set", {"input": "1.5"})]


def test_a_workspace_with_a_trail_is_not_deleted(acme: Workspace) -> None:
    with pytest.raises(ProtectedError):
        acme.delete()
    assert Workspace.objects.get() == acme


def test_an_entry_says_from_where_its_request_came(acme: Workspace) -> None:
    _, secret = a_key(acme, "admin")
    client = with_key(secret)
    made = client.post(
        "/api/v1/keys", {"kind": "live", "name": "Server"}, format="json", REMOTE_ADDR="203.0.113.7", HTTP_USER_AGENT="x" * 301
    )
    entry = AuditEntry.objects.get(target=made.json()["id"], action="key.created")
    assert (entry.ip_address, entry.user_agent, entry.actor_kind) == ("203.0.113.7", "x" * 300, "key")
    audit.record("stripe", "payment.disputed", "pay_1", now=NOW)
    entry = AuditEntry.objects.get(target="pay_1")
    assert (entry.ip_address, entry.user_agent, entry.actor_kind) == (None, "", "provider")


@pytest.mark.parametrize(
    ("actor", "console", "kind"),
    [
        ("ada@acme.example", False, "member"),
        ("ops@omixa.example", True, "operator"),
        ("ops@omixa.example", None, "operator"),  # a job that was ordered in the console
        ("key_0V1", False, "key"),
        ("gw_0V1", False, "gateway"),
        ("command:set_price by root", None, "command"),
        ("stripe", None, "provider"),
        ("nobody", False, "stranger"),
        ("omx_live_4fTq", False, "key"),
        ("metering.dun_invoices", None, "system"),
    ],
)
def test_the_kind_of_an_actor(actor: str, console: bool | None, kind: str) -> None:
    assert kind_of_actor(actor, None if console is None else RequestOrigin("192.0.2.1", "", console)) == kind
