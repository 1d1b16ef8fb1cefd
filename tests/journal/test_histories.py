"""After every act of a random history the journal agrees with itself, with the documents, and with a second book."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from django.db import connection

from metering.credits.models import CreditEntry
from metering.journal.balances import trial_balance
from metering.journal.models import JournalBalance, JournalEntry, JournalPosting
from metering.models import Invoice
from metering.payments.refunds.models import ReopenedAmount
from metering.reconcile.everything import everything
from tests.journal.history import History
from tests.kit.billing import Meter, agree
from tests.kit.depth import DEEP, dice, examples
from tests.kit.exported import ever, exports_agree
from tests.kit.factories import forget_names
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from tests.kit.tally import Tally
from workspaces.models import APIKey

pytestmark = pytest.mark.django_db
ACTS = 40 if DEEP else 25
BACKFILL = import_module("metering.migrations.0017_journal_of_before").BACKFILL


def journal() -> dict[str, str]:
    found = trial_balance()
    assert found["ok"]
    return {each["account"]: each["balance"] for each in found["accounts"] if Decimal(each["balance"])}


def parts_of(account: str) -> dict[str, int]:
    kept = JournalBalance.objects.filter(account=account).exclude(part="").exclude(balance=0)
    return dict(kept.values_list("part", "balance"))


def units(amount: Decimal) -> int:
    return int(amount * 100)


def documents_agree() -> None:
    """What is due, and what is left of each credit, are what the journal has of them."""
    due = {each.public_id: units(each.amount_due) for each in Invoice.objects.filter(status="open", amount_due__gt=0)}
    assert parts_of("receivable") == due
    left: dict[str, int] = defaultdict(int)
    for entry in CreditEntry.objects.select_related("grant"):
        left[entry.grant.public_id] -= units(entry.amount)
    held = {**parts_of("credit_bought"), **parts_of("credit_promotional"), **parts_of("credit_goodwill")}
    assert held == {grant: amount for grant, amount in left.items() if amount}


def wipe() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "DELETE FROM metering_journalbalance; DELETE FROM metering_journalposting; DELETE FROM metering_journalentry"
        )
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def backfill() -> None:
    with connection.cursor() as cursor:
        cursor.cursor.execute(BACKFILL)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def all_balances() -> dict[tuple[str, str], int]:
    return {(each.account, each.part): each.balance for each in JournalBalance.objects.exclude(balance=0)}


@pytest.mark.parametrize("seed", range(examples(8, 400)))
def test_every_history_balances(
    seed: int, key: APIKey, use: Meter, stripe: StripeServer, tally: Tally, pytestconfig: pytest.Config
) -> None:
    agree(key.workspace, {"VAT": "19"})
    history = History(key, use, stripe, with_method(key.workspace, stripe), dice(seed, pytestconfig))
    tally["histories"] = 1
    done = []
    for _ in range(ACTS):
        done.append(history.step())
        assert journal() == history.book.balances(), "\n".join(done)
        documents_agree()
        tally["acts"] += 1
    assert everything()["differences"] == [], "\n".join(done)
    exports_agree(ever(history.now + timedelta(days=1)))
    if ReopenedAmount.objects.exists():  # which no document of before the journal knows of
        return
    was = all_balances()
    wipe()
    backfill()
    assert all_balances() == was, "the documents alone give the same balances"
    posted = (JournalEntry.objects.count(), JournalPosting.objects.count())
    backfill()
    assert (JournalEntry.objects.count(), JournalPosting.objects.count()) == posted, "and give them once"
    forget_names()
