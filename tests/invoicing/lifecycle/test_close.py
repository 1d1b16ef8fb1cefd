"""Closing a month: which lines it makes, how they are rounded, and that doing it again changes nothing."""

from decimal import Decimal

import pytest

from metering.errors import MonthNotEnded
from metering.invoicing.composing.lines import LedgerMismatch, used
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice, InvoiceLine
from metering.rollups.models import DailyRollup
from tests.kit.billing import AUGUST, OCTOBER, SEPTEMBER, Meter, at, closed, finalized, lines_of, tokens
from tests.kit.factories import make_key, make_price, make_workspace
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db


def test_the_golden_vector_is_billed_to_the_last_digit(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00")
    (invoice,) = closed()
    assert lines_of(invoice) == [
        ("usage", "codex-mini, input", 86, "0.000129", "0.00"),
        ("usage", "codex-mini, cached input", 1920, "0.00072", "0.00"),
        ("usage", "codex-mini, output", 300, "0.0018", "0.00"),
    ]
    assert invoice.subtotal_exact == Decimal("0.002649")
    assert (invoice.subtotal, invoice.tax, invoice.total, invoice.amount_due) == (Decimal(0),) * 4
    assert (invoice.status, invoice.number, invoice.finalized_at) == ("draft", None, None)


def test_a_line_carries_what_it_prints(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00")
    (invoice,) = closed()
    line = invoice.lines.get(component="cached_input")
    price = make_price(effective_from=at("09-20T00:00")).model.prices.order_by("effective_from")[0]
    assert (line.model, line.service_tier, line.price) == ("codex-mini", "default", price.public_id)
    assert (line.rate_per_million, line.language_model) == (Decimal("0.375"), price.model)
    assert (line.period_start, line.period_end) == (at("09-01T00:00"), at("10-01T00:00"))


def test_displayed_cents_add_up_to_the_rounded_subtotal(use: Meter, key: APIKey) -> None:
    """Three lines of half a cent each: the exact sum 0.015 is 0.02, so two of the three show a cent."""
    for model in ("a", "b", "c"):
        make_price(model, input="5000")
        use(key, "09-14T10:00", model=model, usage=tokens(input=1))
    (invoice,) = closed()
    assert invoice.subtotal_exact == Decimal("0.015")
    assert [str(line.amount) for line in invoice.lines.all()] == ["0.01", "0.01", "0.00"]
    assert invoice.subtotal == invoice.total == Decimal("0.02")


def test_the_largest_remainder_gets_the_cent(use: Meter, key: APIKey) -> None:
    """0.014 + 0.017 + 0.013 = 0.044, that is 0.04: one cent above the three whole ones, and 0.017 is the nearest to it."""
    for model, rate in (("a", "14000"), ("b", "17000"), ("c", "13000")):
        make_price(model, input=rate)
        use(key, "09-14T10:00", model=model, usage=tokens(input=1))
    (invoice,) = closed()
    assert [str(line.amount) for line in invoice.lines.all()] == ["0.01", "0.02", "0.01"]
    assert invoice.subtotal == Decimal("0.04")


@pytest.mark.parametrize(
    ("rate", "cents"), [("4999.999999", "0.00"), ("5000", "0.01"), ("14999.999999", "0.01"), ("15000", "0.02")]
)
def test_half_a_cent_is_rounded_up_once(use: Meter, key: APIKey, rate: str, cents: str) -> None:
    make_price("a", input=rate)
    use(key, "09-14T10:00", model="a", usage=tokens(input=1))
    (invoice,) = closed()
    assert str(invoice.total) == cents


def test_a_price_change_within_the_month_makes_two_lines(use: Meter, key: APIKey) -> None:
    make_price(input="2", cached_input="0.5", output="8", effective_from=at("09-15T00:00"))
    use(key, "09-14T23:59:59.999999", "09-15T00:00", usage=tokens(input=1_000_000))
    (invoice,) = closed()
    assert lines_of(invoice) == [
        ("usage", "codex-mini, input, price from 2025-01-01", 1_000_000, "1.5", "1.50"),
        ("usage", "codex-mini, input, price from 2026-09-15", 1_000_000, "2", "2.00"),
    ]


def test_each_model_tier_and_threshold_has_its_own_lines_in_reading_order(use: Meter, key: APIKey) -> None:
    make_price(tier="priority", input="3", output="12")
    make_price(above_input_tokens=200_000, input="4", cached_input=None)
    make_price("grok-3", input="3", cached_input=None, output="15")
    use(key, "09-03T00:00", model="grok-3", usage=tokens(input=1_000_000, cached=400_000))
    use(key, "09-02T00:00", usage=tokens(input=200_001))
    use(key, "09-02T00:00", usage=tokens(input=200_000), service_tier="priority")
    use(key, "09-02T00:00", usage=tokens(input=200_000))
    (invoice,) = closed()
    assert lines_of(invoice) == [
        ("usage", "codex-mini, input", 200_000, "0.3", "0.30"),
        ("usage", "codex-mini, input, requests above 200,000 input tokens", 200_001, "0.800004", "0.80"),
        ("usage", "codex-mini, input, priority tier", 200_000, "0.6", "0.60"),
        ("usage", "grok-3, input", 600_000, "1.8", "1.80"),
        ("usage", "grok-3, cached input", 400_000, "1.2", "1.20"),
    ]


def test_the_months_edges_belong_to_one_month_each(use: Meter, key: APIKey) -> None:
    use(key, "08-31T23:59:59.999999", "09-01T00:00", "09-30T23:59:59.999999", "10-01T00:00")
    (august,) = closed(AUGUST)
    (september,) = closed()
    assert august.subtotal_exact == Decimal("0.002649")
    assert september.subtotal_exact == Decimal("0.005298")


def test_failed_and_unpriced_responses_are_not_billed(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", status="failed")
    assert closed() == []
    assert Invoice.objects.count() == 0


def test_aborted_responses_are_billed(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", status="aborted")
    (invoice,) = closed()
    assert invoice.subtotal_exact == Decimal("0.002649")


def test_free_usage_is_shown_beside_what_costs_and_is_no_invoice_alone(use: Meter, key: APIKey) -> None:
    make_price("free", input="0", cached_input=None, output="0")
    use(key, "09-14T10:00", model="free", usage=tokens(input=10))
    assert closed() == []
    use(key, "09-14T10:00", usage=tokens(input=1_000_000))
    (invoice,) = closed()
    assert lines_of(invoice) == [
        ("usage", "codex-mini, input", 1_000_000, "1.5", "1.50"),
        ("usage", "free, input", 10, "0", "0.00"),
    ]


def test_a_month_is_closed_when_it_has_ended_and_not_before(use: Meter, key: APIKey) -> None:
    use(key, "10-14T10:00")
    with pytest.raises(MonthNotEnded, match="2026-10 ends at 2026-11-01T00:00:00Z"):
        close_workspaces(OCTOBER, at("10-31T23:59:59.999999"))
    assert Invoice.objects.count() == 0
    assert len(close_workspaces(OCTOBER, at("11-01T00:00"))) == 1


def test_closing_three_times_is_closing_once(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00")
    first = closed()
    lines = list(InvoiceLine.objects.order_by("pk").values())
    assert closed() == closed() == first
    assert list(InvoiceLine.objects.order_by("pk").values()) == lines
    assert Invoice.objects.count() == 1


def test_a_draft_takes_in_what_arrives_late_and_its_lines_keep_their_ids(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00")
    (draft,) = closed()
    ids = list(draft.lines.values_list("public_id", flat=True))
    use(key, "09-20T10:00")
    (again,) = closed()
    assert again == draft
    assert list(again.lines.values_list("public_id", flat=True)) == ids
    assert again.subtotal_exact == Decimal("0.005298")


def test_a_finalized_invoice_is_returned_as_it_was(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00")
    (invoice,) = finalized()
    use(key, "09-20T10:00")
    for again in (*closed(), *finalized()):
        assert (again.pk, again.number, again.subtotal_exact) == (invoice.pk, invoice.number, Decimal("0.002649"))
    assert Invoice.objects.count() == 1


def test_a_sandbox_is_never_invoiced(use: Meter) -> None:
    sandbox = make_workspace("Acme sandbox", sandbox=True)
    use(make_key(sandbox, kind="test"), "09-14T10:00")
    assert sum(used(sandbox, SEPTEMBER.start, SEPTEMBER.end).values()) == 2306
    assert finalized() == []
    assert finalized(workspace=sandbox) == []
    assert Invoice.objects.count() == 0


def test_workspaces_are_billed_apart(use: Meter, key: APIKey, acme: Workspace) -> None:
    rival = make_workspace("Rival")
    use(key, "09-14T10:00")
    use(make_key(rival), "09-14T10:00", "09-15T10:00")
    assert [invoice.workspace for invoice in closed(workspace=rival)] == [rival]
    assert Invoice.objects.count() == 1
    amounts = {invoice.workspace: invoice.subtotal_exact for invoice in closed()}
    assert amounts == {acme: Decimal("0.002649"), rival: Decimal("0.005298")}


def test_rollups_that_contradict_their_price_stop_their_workspace_and_no_other(
    use: Meter, key: APIKey, acme: Workspace
) -> None:
    rival = make_workspace("Rival")
    use(key, "09-14T10:00")
    use(make_key(rival), "09-14T10:00")
    DailyRollup.objects.filter(workspace=acme).update(cost=Decimal("0.002650"))
    with pytest.raises(ExceptionGroup) as raised:
        closed()
    assert [type(each) for each in raised.value.exceptions] == [LedgerMismatch]
    assert [invoice.workspace for invoice in Invoice.objects.all()] == [rival]


def test_a_renamed_model_is_not_billed_again(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00")
    (invoice,) = finalized()
    model = invoice.lines.all()[0].language_model
    assert model is not None
    type(model).objects.filter(pk=model.pk).update(slug="codex-mini-2025")
    use(key, "10-14T10:00", model="codex-mini-2025")
    (october,) = closed(OCTOBER, at("11-05T00:00"))
    assert {line.kind for line in october.lines.all()} == {"usage"}
