"""Closing many workspaces in one transaction: to the digit what closing each alone gives, whatever fails, races or dies."""

import os
import random
import signal
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from metering.credits.models import CreditEntry
from metering.invoicing.lifecycle import close, freeze
from metering.invoicing.lifecycle.close import close_each, close_together
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.models import Invoice, InvoiceLine
from metering.notifications.models import Notification
from metering.periods import Period
from metering.rollups.models import DailyRollup
from tests.kit.billing import AUGUST, SEPTEMBER, Meter, agree, at, credit, tokens
from tests.kit.concurrent import at_once
from tests.kit.corrections import correct, void
from tests.kit.factories import make_key, make_price, make_workspace
from workspaces.models import APIKey, AuditEntry, Workspace

pytestmark = pytest.mark.django_db
IN_OCTOBER = at("10-05T00:00")
MILLION = tokens(input=1_000_000)
OURS = {"id", "public_id", "invoice_id", "created_at"}  # differ between two invoices that say the same


class Crowd:
    """Workspaces with usage, terms, credits and corrections at random."""

    def __init__(self, use: Meter, seed: int, count: int = 9) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - a repeatable test, not a secret
        self.use = use
        self.sent: list[tuple[APIKey, str]] = []
        make_price("sonnet", "3", "0.3", "15")
        make_price("gold", "999999")
        self.workspaces = [make_workspace(f"Workspace {number}", sandbox=number == 4) for number in range(count)]
        self.keys = [make_key(each) for each in self.workspaces]
        for each in self.workspaces:
            self._agree(each)

    def _agree(self, workspace: Workspace) -> None:
        chance = self.chance
        terms: dict[str, Any] = {"payment_days": chance.choice([None, 0, 30]), "purchase_order": chance.choice(["", "PO 7"])}
        if chance.random() < 0.4:
            terms["discount_percent"] = Decimal(chance.choice(["10", "12.5", "33.33"]))
        if chance.random() < 0.4:
            terms["minimum_commitment"] = Decimal(chance.choice(["5.00", "2000.00"]))
        two = {f"State {workspace.pk}": "6.25", f"City {workspace.pk}": "2.6"}
        rates = chance.choice([None, {f"VAT {workspace.pk}": "19"}, two])
        agree(workspace, rates, since=AUGUST, **terms)
        for kind in ("promotional", "goodwill", "purchased"):
            if chance.random() < 0.4:
                credit(workspace, chance.choice(["0.50", "7.77", "5000.00"]), kind)

    def uses(self, month: str, most: int = 4) -> None:
        """Of some of them nothing, of one so much that its draft waits for a person."""
        for number, key in enumerate(self.keys):
            for _ in range(self.chance.randrange(most)):
                input = self.chance.choice([1, 999, 123_457, 2_000_000])
                usage = tokens(input=input, cached=self.chance.randint(0, input), output=self.chance.randrange(90_000))
                model = self.chance.choice(["codex-mini", "sonnet"] if number != 7 else ["gold"])
                if self.workspaces[number].sandbox:
                    continue
                self.use(key, f"{month}-{self.chance.randint(1, 28):02}T10:00", usage=usage, model=model)
                self.sent.append((key, f"req-{self.use.sent}"))

    def voids_some(self) -> None:
        """Of what was billed, so that the next invoice takes it back."""
        for key, request_id in self.sent[::4]:
            correct(self.use.gateway, void(key, request_id))


def rows_of(model: Any, order: list[str], *left_out: str) -> list[dict[str, Any]]:
    names = [each.attname for each in model._meta.concrete_fields if each.attname not in OURS and each.attname not in left_out]
    return list(model.objects.order_by(*order).values(*names))


def written() -> dict[str, Any]:
    """All that closing writes, but for ids made at random."""
    entries = AuditEntry.objects.filter(action="invoice.finalized").order_by("workspace", "detail")
    notified = Notification.objects.order_by("workspace", "type", "data__period_start")
    return {
        "invoices": rows_of(Invoice, ["workspace", "period_start"]),
        "lines": rows_of(InvoiceLine, ["invoice__workspace", "invoice__period_start", "position"]),
        "credit": rows_of(CreditEntry, ["workspace", "grant", "at", "kind", "amount"]),
        "audit": [(each.actor, each.workspace_id, each.at, each.detail) for each in entries],
        "news": [(each.workspace_id, each.type, each.data | {"id": ""}, each.created_at) for each in notified],
    }


def tried(sets: list[list[int]], period: Period, finalize: bool) -> dict[str, Any]:
    """What closing these sets of workspaces writes; then it never happened."""
    with transaction.atomic():
        for ids in sets:
            close_together(ids, period, IN_OCTOBER, finalize, "tests")
        found = written()
        transaction.set_rollback(True)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_closing_together_writes_to_the_digit_what_closing_each_alone_writes(use: Meter, codex_mini: Any, seed: int) -> None:
    crowd = Crowd(use, seed)
    ids = [each.pk for each in crowd.workspaces]
    steps = [(AUGUST, True), (SEPTEMBER, False), (SEPTEMBER, False), (SEPTEMBER, True)]
    crowd.uses("08")
    for number, (period, finalize) in enumerate(steps):
        alone, together = tried([[pk] for pk in ids], period, finalize), tried([ids], period, finalize)
        for what, rows in alone.items():
            assert together[what] == rows, what
        close_together(ids, period, IN_OCTOBER, finalize, "tests")
        if number == 0:
            crowd.voids_some()
            crowd.uses("08", 2)
            crowd.uses("09")
        elif number == 1:
            crowd.uses("09", 2)
    assert Invoice.objects.finalized().count() > 5


def crowd_of(count: int, use: Meter) -> list[Workspace]:
    workspaces = [make_workspace(f"Workspace {number}") for number in range(count)]
    for each in workspaces:
        use(make_key(each), "09-14T10:00", usage=MILLION)
    return workspaces


def numbers() -> list[str | None]:
    return list(Invoice.objects.order_by("number").values_list("number", flat=True))


def numbered(count: int) -> list[str]:
    return [f"OMX-2026-{number:05d}" for number in range(1, count + 1)]


def test_ten_workspaces_take_as_many_statements_as_two(use: Meter, codex_mini: Any) -> None:
    few, many = crowd_of(2, use), crowd_of(10, use)
    counts = []
    for workspaces in (few, many):
        with CaptureQueriesContext(connection) as asked:
            close_together([each.pk for each in workspaces], SEPTEMBER, IN_OCTOBER, True, "tests")
        counts.append(len(asked))
    assert counts[0] == counts[1] < 40


def test_a_workspace_that_fails_is_alone_in_failing_and_takes_no_number(use: Meter, codex_mini: Any) -> None:
    workspaces = crowd_of(5, use)
    DailyRollup.objects.filter(workspace=workspaces[2]).update(cost=F("cost") + 1)
    assert close_months_due(IN_OCTOBER) == {"drafts": 0, "finalized": 4, "held": 0, "incomplete": 0, "failed": 1}
    assert (numbers(), workspaces[2].invoices.count()) == (numbered(4), 0)
    DailyRollup.objects.filter(workspace=workspaces[2]).update(cost=F("cost") - 1)
    assert close_months_due(IN_OCTOBER) == {"drafts": 0, "finalized": 1, "held": 0, "incomplete": 0, "failed": 0}
    assert workspaces[2].invoices.get().number == "OMX-2026-00005"


def test_outcomes_come_in_the_order_of_the_workspaces(use: Meter, codex_mini: Any) -> None:
    workspaces = crowd_of(4, use)
    DailyRollup.objects.filter(workspace=workspaces[1]).update(cost=F("cost") + 1)
    ids = [each.pk for each in reversed(workspaces)]
    found = list(close_each(ids, SEPTEMBER, IN_OCTOBER, True, "tests"))
    assert [isinstance(each, Exception) for each in found] == [False, False, True, False]
    closed = [each.invoice.workspace_id for each in found if not isinstance(each, Exception) and each.invoice]
    assert closed == [ids[0], ids[1], ids[3]]


@pytest.mark.django_db(transaction=True)
def test_schedulers_at_once_make_one_invoice_each_without_a_gap(use: Meter, codex_mini: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(close, "AT_ONCE", 3)
    workspaces = crowd_of(10, use)
    found = at_once(*[lambda: close_months_due(IN_OCTOBER)] * 3)
    assert [(each["finalized"], each["failed"]) for each in found] == [(10, 0)] * 3
    assert numbers() == numbered(10)
    assert {each.invoices.count() for each in workspaces} == {1}
    finalized = AuditEntry.objects.filter(action="invoice.finalized")
    assert (finalized.count(), Notification.objects.filter(type="invoice.finalized").count()) == (10, 10)


@pytest.mark.django_db(transaction=True)
def test_a_killed_run_leaves_whole_sets_and_the_next_one_completes_them(use: Meter, codex_mini: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(close, "AT_ONCE", 3)
    workspaces = crowd_of(8, use)
    assert killed_in_set(2) == -signal.SIGKILL
    assert (numbers(), InvoiceLine.objects.count(), Notification.objects.count()) == (numbered(3), 3, 3)
    assert [each.invoices.count() for each in workspaces] == [1, 1, 1, 0, 0, 0, 0, 0]
    assert close_months_due(IN_OCTOBER)["finalized"] == 5
    assert (numbers(), InvoiceLine.objects.count(), Notification.objects.count()) == (numbered(8), 8, 8)


def killed_in_set(which: int) -> int:
    """The exit code of a process that is killed as that set of its run has written everything but its commit."""
    pid = os.fork()
    if pid == 0:
        connection.connection = None  # the parent's
        sets = []
        announce = freeze.announce_invoices

        def die(*arguments: Any) -> None:
            announce(*arguments)
            sets.append(arguments)
            if len(sets) == which:
                os.kill(os.getpid(), signal.SIGKILL)

        freeze.announce_invoices = die
        close_months_due(IN_OCTOBER)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
