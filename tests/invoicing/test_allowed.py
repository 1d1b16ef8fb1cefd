"""What may be done with an invoice: in each state exactly these acts are offered, and the verbs refuse all others."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from metering.errors import InvoiceNotOpen, NothingToBill
from metering.invoicing.allowed import Act, allowed_acts, refusal_of
from metering.invoicing.credit_notes.issue import issue, plan_credit_note
from metering.invoicing.lifecycle.accept import accept_withdrawal
from metering.invoicing.lifecycle.amount_due import lower_amount_due
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.void import mark_uncollectible, reissue, void
from metering.invoicing.lifecycle.write_off import reverse_write_off
from metering.invoicing.models import Invoice
from metering.payments.collecting.manual import mark_paid
from metering.rollups.models import DailyRollup
from omixa_billing.api.errors import Refusal
from tests.kit.billing import OCTOBER, SEPTEMBER, Meter, at, closed, finalized, tokens
from tests.kit.factories import NOW
from workspaces.models import APIKey

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"
MILLION = tokens(input=1_000_000)  # 1.50 USD
IN_SEPTEMBER, IN_NOVEMBER = at("09-20T00:00"), at("11-05T00:00")
VERBS: dict[Act, Callable[[Invoice], object]] = {
    Act.FINALIZE: lambda invoice: finalize(invoice.pk, OPS, NOW),
    Act.ACCEPT: lambda invoice: accept_withdrawal(invoice.pk, "a backup was restored", OPS, NOW),
    Act.MARK_PAID: lambda invoice: mark_paid(invoice.pk, "transfer 17", OPS, NOW),
    Act.CREDIT: lambda invoice: plan_credit_note(invoice, None),
    Act.MARK_UNCOLLECTIBLE: lambda invoice: mark_uncollectible(invoice.pk, "insolvent", OPS, NOW),
    Act.REVERSE_WRITE_OFF: lambda invoice: reverse_write_off(invoice.pk, "they pay after all", OPS, NOW),
    Act.VOID: lambda invoice: void(invoice.pk, "a mistake", OPS, NOW),
    Act.REISSUE: lambda invoice: reissue(invoice.pk, OPS, NOW),
}


def draft() -> Invoice:
    (invoice,) = closed()
    return invoice


def opened() -> Invoice:
    (invoice,) = finalized()
    return invoice


def paid_in_part() -> Invoice:
    invoice = opened()
    lower_amount_due(invoice, Decimal("0.50"), "transfer 16", OPS, NOW)
    return invoice


def paid() -> Invoice:
    return mark_paid(opened().pk, "transfer 17", OPS, NOW)


def uncollectible() -> Invoice:
    return mark_uncollectible(opened().pk, "insolvent", OPS, NOW)


def credited() -> Invoice:
    invoice = opened()
    issue(invoice, None, "goodwill", "", OPS, NOW)
    return invoice


def voided() -> Invoice:
    return void(opened().pk, "a mistake", OPS, NOW)


def reissued() -> Invoice:
    invoice = voided()
    reissue(invoice.pk, OPS, NOW)
    return invoice


ALLOWED = {
    draft: {Act.FINALIZE},
    opened: {Act.MARK_PAID, Act.CREDIT, Act.MARK_UNCOLLECTIBLE, Act.VOID},
    paid_in_part: {Act.MARK_PAID, Act.CREDIT, Act.MARK_UNCOLLECTIBLE},
    paid: {Act.CREDIT},
    uncollectible: {Act.MARK_PAID, Act.CREDIT, Act.REVERSE_WRITE_OFF, Act.VOID},
    credited: set(),
    voided: {Act.REISSUE},
    reissued: set(),
}


@pytest.fixture
def _usage(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)


@pytest.mark.usefixtures("_usage")
@pytest.mark.parametrize("state", ALLOWED, ids=lambda state: state.__name__)
def test_what_is_offered_in_each_state(state: Callable[[], Invoice]) -> None:
    invoice = state()
    invoice.refresh_from_db()
    assert allowed_acts(invoice, NOW) == ALLOWED[state]


@pytest.mark.usefixtures("_usage")
@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("state", ALLOWED, ids=lambda state: state.__name__)
def test_a_verb_does_what_is_offered_and_refuses_the_rest(state: Callable[[], Invoice], act: Act) -> None:
    invoice = state()
    invoice.refresh_from_db()
    if act in ALLOWED[state]:
        VERBS[act](invoice)
    else:
        with pytest.raises(Refusal):
            VERBS[act](invoice)


NAMED = {
    Act.MARK_PAID: "an open or uncollectible",
    Act.CREDIT: "an open, paid or uncollectible",
    Act.MARK_UNCOLLECTIBLE: "an open",
    Act.REVERSE_WRITE_OFF: "an uncollectible",
    Act.VOID: "an open or uncollectible",
}


@pytest.mark.usefixtures("_usage")
@pytest.mark.parametrize("act", NAMED)
def test_a_refusal_names_the_statuses_in_which_the_act_is_allowed(act: Act) -> None:
    invoice = opened()
    for status in Invoice.Status:
        invoice.status = status
        refusal = refusal_of(act, invoice, NOW)
        assert isinstance(refusal, InvoiceNotOpen) == (status not in NAMED[act])
        if refusal is not None:
            assert f"is {status}: only {NAMED[act]} invoice can be " in refusal.message


@pytest.mark.usefixtures("_usage")
def test_a_draft_whose_month_still_runs_is_not_finalized() -> None:
    invoice = draft()
    assert allowed_acts(invoice, IN_SEPTEMBER) == set()
    assert allowed_acts(invoice, SEPTEMBER.end) == {Act.FINALIZE}


def test_a_draft_on_hold_with_nothing_to_bill_is_accepted_not_finalized(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", "09-15T10:00", usage=MILLION)
    finalized()
    DailyRollup.objects.filter(day=at("09-15T00:00")).delete()
    (lost,) = finalized(OCTOBER, IN_NOVEMBER)
    assert allowed_acts(lost, IN_NOVEMBER) == {Act.ACCEPT}
    with pytest.raises(NothingToBill):
        finalize(lost.pk, OPS, IN_NOVEMBER)
