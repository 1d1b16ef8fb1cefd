"""Invoices: finalized once, paid once, and otherwise not to be touched."""

import re

from django.test import Client
from django.urls import reverse

from metering.console.money.invoice_actions import next_step
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.models import Invoice
from metering.periods import parse_month
from tests.console.conftest import OPERATOR, World
from tests.kit.billing import Meter, tokens
from tests.kit.factories import NOW
from tests.kit.operator import act_on_invoice, acts_on
from workspaces.models import Workspace


def use_a_million(world: World) -> None:
    """More than rounds to nothing: 1.50 of September."""
    Meter(world.gateway)(world.key, "09-20T10:00", usage=tokens(input=1_000_000))


def test_an_invoice_goes_from_draft_to_paid(console: Client, world: World) -> None:
    invoice = world.invoice
    use_a_million(world)
    assert act_on_invoice(console, "finalize", invoice).status_code == 302
    assert (invoice.status, invoice.finalized_at) == ("open", NOW)
    number = invoice.number
    assert b"only a draft is finalized" in act_on_invoice(console, "finalize", invoice).content
    assert invoice.number == number

    assert b"This field is required" in act_on_invoice(console, "mark_paid", invoice, reference="").content
    assert act_on_invoice(console, "mark_paid", invoice, reference="transfer 17").status_code == 302
    assert (invoice.status, invoice.paid_at, invoice.payment_reference) == ("paid", NOW, "transfer 17")
    refused = act_on_invoice(console, "mark_paid", invoice, reference="transfer 18").content
    assert b"only an open or uncollectible invoice can be paid" in refused
    assert invoice.payment_reference == "transfer 17"
    assert [pair for pair in acts_on(invoice.public_id) if pair[0] == OPERATOR] == [
        (OPERATOR, "invoice.finalized"),
        (OPERATOR, "invoice.paid"),
    ]


def test_a_draft_is_not_paid(console: Client, world: World) -> None:
    refused = act_on_invoice(console, "mark_paid", world.invoice, reference="transfer 17").content
    assert b"only an open or uncollectible invoice can be paid" in refused
    assert world.invoice.status == "draft"


def test_only_what_the_status_allows_is_offered(console: Client, world: World) -> None:
    page = reverse("admin:metering_invoice_change", args=[world.invoice.pk])
    finalize = reverse("admin:metering_invoice_finalize", args=[world.invoice.pk])
    paid = reverse("admin:metering_invoice_mark_paid", args=[world.invoice.pk])
    draft = console.get(page).content.decode()
    assert (finalize in draft, paid in draft) == (True, False)
    use_a_million(world)
    act_on_invoice(console, "finalize", world.invoice)
    final = console.get(page).content.decode()
    assert (finalize in final, paid in final) == (False, True)


def test_the_draft_of_a_running_month_is_not_offered_to_be_finalized(console: Client, world: World) -> None:
    month = parse_month("2026-10")
    Invoice.objects.filter(pk=world.invoice.pk).update(period_start=month.start, period_end=month.end)
    page = console.get(reverse("admin:metering_invoice_change", args=[world.invoice.pk])).content.decode()
    assert reverse("admin:metering_invoice_finalize", args=[world.invoice.pk]) not in page
    assert "can be finalized from 2026-11-01 00:00 UTC on, when the month has ended" in page
    refused = act_on_invoice(console, "finalize", world.invoice).content.decode()
    assert "ends at 2026-11-01T00:00:00Z and can be closed then: it is 2026-10-15T12:00:00Z now." in refused
    assert "Please correct" not in refused
    assert world.invoice.status == "draft"


def test_the_draft_of_a_closed_workspace_can_be_finalized_at_once(console: Client, world: World) -> None:
    """Its last month ended when it was closed."""
    month = parse_month("2026-10")
    use_a_million(world)
    Workspace.objects.filter(pk=world.invoice.workspace_id).update(closed_at=NOW)
    Invoice.objects.filter(pk=world.invoice.pk).update(period_start=month.start, period_end=month.end)
    page = console.get(reverse("admin:metering_invoice_change", args=[world.invoice.pk])).content.decode()
    assert reverse("admin:metering_invoice_finalize", args=[world.invoice.pk]) in page
    assert "finalize it" in page
    assert "can be finalized from" not in page


def test_the_next_step_is_what_may_be_done(world: World) -> None:
    invoice = world.invoice
    use_a_million(world)
    assert next_step(invoice, NOW) == "finalize it"
    finalize(invoice.pk, OPERATOR, NOW)
    invoice.refresh_from_db()
    assert next_step(invoice, NOW) == "record the payment when the money has arrived"
    void(invoice.pk, "a mistake", OPERATOR, NOW)
    invoice.refresh_from_db()
    assert next_step(invoice, NOW) == "reissue its month, if it is to be billed"
    draft = reissue(invoice.pk, OPERATOR, NOW)
    assert next_step(invoice, NOW) == f"none: its month has {draft}"


def test_invoices_are_filtered_by_month_and_status(console: Client, world: World) -> None:
    listing = reverse("admin:metering_invoice_changelist")

    def found(**given: str) -> list[Invoice]:
        return list(console.get(listing, given).context["cl"].result_list)

    assert found(month="2026-09", status__exact="draft") == [world.invoice]
    assert found(month="2026-10") == []
    assert found(month="nonsense") == []
    assert found(status__exact="paid") == []
    assert found(q=world.invoice.public_id) == [world.invoice]


def test_the_printable_page_leads_to_the_console_and_not_to_a_customers_pages(console: Client, world: World) -> None:
    printable = reverse("admin:metering_invoice_printable", args=[world.invoice.pk])
    page = console.get(printable).content.decode()
    here = [reverse(f"admin:metering_invoice_{name}", args=[world.invoice.pk]) for name in ("change", "pdf")]
    assert re.findall(r'<a href="([^"]+)">([^<]+)<', page) == [
        (reverse("admin:metering_invoice_changelist"), "All invoices"),
        (here[0], "Draft"),
        (here[1], "PDF"),
    ]
    act_on_invoice(console, "finalize", world.invoice)
    assert ">Invoice OMX-2026-00001</a>" in console.get(printable).content.decode()


def test_the_page_shows_exact_amounts_beside_cents(console: Client, world: World) -> None:
    page = console.get(reverse("admin:metering_invoice_change", args=[world.invoice.pk])).content.decode()
    assert "$0.002649" in page
    assert "$0.000129" in page
    assert "$0.00</span>" in page
