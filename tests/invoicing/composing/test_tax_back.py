"""Never more of a tax goes back than was charged for that month, however terms changed in between."""

from decimal import Decimal

import pytest

from metering.credits import ledger
from metering.invoicing.credit_notes.issue import issue
from metering.invoicing.fees.change import add_line
from metering.invoicing.lifecycle.amount_due import lower_amount_due
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.invoicing.terms.change import save_terms
from metering.invoicing.terms.models import TaxRate
from metering.reconcile.invoices import invoice_differences
from tests.kit.billing import NOVEMBER, OCTOBER, Meter, at, finalized, tokens
from tests.kit.corrections import correct, replace, void
from tests.kit.factories import NOW
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"
IN_NOVEMBER, IN_DECEMBER = at("11-05T00:00"), at("12-05T00:00")
HUNDRED_MILLION = tokens(input=100_000_000)


@pytest.fixture
def vat(acme: Workspace) -> TaxRate:
    """20 %, agreed with Acme."""
    rate = TaxRate.objects.create(name="VAT", percent=Decimal(20))
    save_terms(acme, {}, [rate], OPS, at("09-01T00:00"))
    return rate


def september(use: Meter, key: APIKey, promotional: str = "0") -> Invoice:
    """150.00 before promotional credit."""
    if Decimal(promotional):
        ledger.grant(key.workspace, "promotional", Decimal(promotional), OPS, at("09-01T00:00"))
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    return finalized()[0]


def october(use: Meter, key: APIKey) -> Invoice:
    """300.00 of its own."""
    use(key, "10-21T10:00", usage=tokens(input=200_000_000), now=at("10-22T00:00"))
    (invoice,) = finalized(OCTOBER, IN_NOVEMBER)
    assert invoice_differences() == []
    return invoice


def reverse_charge(workspace: Workspace) -> None:
    save_terms(workspace, {"tax_treatment": "reverse_charge"}, [], OPS, at("10-16T00:00"))


@pytest.mark.parametrize(
    ("promotional", "charged", "back"), [("150", "0.00", "0.00"), ("100", "10.00", "-10.00"), ("0", "30.00", "-30.00")]
)
def test_no_more_tax_goes_back_than_promotional_credit_left_to_charge(
    use: Meter, key: APIKey, acme: Workspace, vat: TaxRate, promotional: str, charged: str, back: str
) -> None:
    assert september(use, key, promotional).tax == Decimal(charged)
    reverse_charge(acme)
    correct(use.gateway, void(key, "req-1"), now=at("10-20T00:00"))
    invoice = october(use, key)
    assert (invoice.subtotal, invoice.tax) == (Decimal(150), Decimal(back))
    assert (invoice.taxes == []) == (back == "0.00")


def test_it_goes_back_in_parts_until_nothing_is_left_of_it(use: Meter, key: APIKey, acme: Workspace, vat: TaxRate) -> None:
    """Of 150 were taxed 100: 20.00. A half goes back with its 15.00; the other with what is left."""
    assert september(use, key, "50").tax == Decimal(20)
    reverse_charge(acme)
    correct(use.gateway, replace(key, tokens(input=50_000_000), "req-1"), now=at("10-20T00:00"))
    assert october(use, key).tax == Decimal(-15)
    correct(use.gateway, void(key, "req-1"), now=at("11-20T00:00"))
    use(key, "11-21T10:00", usage=HUNDRED_MILLION, now=at("11-22T00:00"))
    (november,) = finalized(NOVEMBER, IN_DECEMBER)
    assert (november.subtotal, november.tax) == (Decimal(75), Decimal(-5))
    assert sum(each.tax for each in acme.invoices.all()) == 0


def test_another_rate_is_no_reason_to_give_back_what_was_not_charged(
    use: Meter, key: APIKey, acme: Workspace, vat: TaxRate
) -> None:
    september(use, key, "150")
    save_terms(acme, {}, [TaxRate.objects.create(name="VAT", percent=Decimal(10))], OPS, at("10-16T00:00"))
    correct(use.gateway, void(key, "req-1"), now=at("10-20T00:00"))
    invoice = october(use, key)
    assert invoice.taxes == [{"name": "VAT", "percent": "10", "taxable": "300.00", "amount": "30.00"}]
    assert (invoice.subtotal, invoice.total) == (Decimal(150), Decimal(180))


def test_under_the_same_terms_what_is_taken_back_lowers_what_is_taxed_now(
    use: Meter, key: APIKey, acme: Workspace, vat: TaxRate
) -> None:
    september(use, key, "150")
    correct(use.gateway, void(key, "req-1"), now=at("10-20T00:00"))
    invoice = october(use, key)
    assert (invoice.subtotal, invoice.tax) == (Decimal(150), Decimal(30))


def test_what_a_credit_note_gave_back_does_not_go_back_again(use: Meter, key: APIKey, acme: Workspace, vat: TaxRate) -> None:
    invoice = september(use, key)
    lower_amount_due(lock_invoice(invoice.pk), Decimal(180), "transfer 1", OPS, NOW)
    line = invoice.lines.get()
    issue(lock_invoice(invoice.pk), {line.public_id: Decimal(100)}, "an outage", "outside", OPS, NOW)
    reverse_charge(acme)
    correct(use.gateway, void(key, "req-1"), now=at("10-20T00:00"))
    assert october(use, key).tax == Decimal(-10)


def test_rounding_gives_back_no_cent_that_was_not_charged(use: Meter, key: APIKey, acme: Workspace) -> None:
    """Two invoices of a month charged 0.00 on 0.02 each; both go back at once, which would be 0.01."""
    save_terms(acme, {}, [TaxRate.objects.create(name="VAT", percent=Decimal(20))], OPS, at("08-01T00:00"))
    two_cents = tokens(input=13_334)
    use(key, "08-14T10:00", usage=two_cents)
    from tests.kit.billing import AUGUST

    (first,) = finalized(AUGUST)
    use(key, "08-15T10:00", usage=two_cents)
    (second,) = finalized()
    assert (first.total, second.total) == (Decimal("0.02"), Decimal("0.02"))
    reverse_charge(acme)
    correct(use.gateway, void(key, "req-1"), void(key, "req-2"), now=at("10-20T00:00"))
    invoice = october(use, key)
    assert (invoice.subtotal, invoice.tax) == (Decimal("299.96"), Decimal(0))


@pytest.mark.parametrize(("given_back", "levy"), [("-40.00", "0.00"), ("10.00", "0.50")])
def test_a_line_of_its_own_month_gives_back_nothing_of_a_tax_that_was_never_charged(
    use: Meter, key: APIKey, acme: Workspace, vat: TaxRate, given_back: str, levy: str
) -> None:
    """Late usage of September is taxed as September was, by VAT alone; a line of October by a levy as well."""
    september(use, key)
    save_terms(acme, {}, [vat, TaxRate.objects.create(name="Levy", percent=Decimal(5))], OPS, at("10-01T00:00"))
    use(key, "09-20T10:00", usage=HUNDRED_MILLION)
    add_line(acme, OCTOBER, Decimal(given_back), "A promise", OPS, at("10-02T00:00"))
    (invoice,) = finalized(OCTOBER, IN_NOVEMBER)
    taxes = {each["name"]: each["amount"] for each in invoice.taxes}
    assert taxes == {"VAT": f"{(150 + Decimal(given_back)) / 5:.2f}", "Levy": levy}
    assert invoice_differences() == []
