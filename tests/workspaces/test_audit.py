from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import ProtectedError

from tests.workspaces.conftest import NOW, trail
from workspaces import audit
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
