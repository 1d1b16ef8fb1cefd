"""The terms that a workspace's invoices follow."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings

from metering.invoicing.terms_models import BillingTerms, TaxRate
from metering.periods import Period
from workspaces.models import Workspace

DEFAULT_NOTES = {
    BillingTerms.TaxTreatment.EXEMPT: "Exempt from tax.",
    BillingTerms.TaxTreatment.REVERSE_CHARGE: "Reverse charge: the recipient of the service accounts for the tax.",
}


def terms_of(workspace: Workspace) -> BillingTerms:
    """The workspace's terms; the defaults, not saved, where nothing was agreed."""
    return BillingTerms.objects.filter(workspace=workspace).first() or BillingTerms(workspace=workspace)


def tax_rates_of(terms: BillingTerms) -> list[TaxRate]:
    """The rates that its invoices are taxed at: none for the exempt and under reverse charge."""
    if terms.pk is None or terms.tax_treatment != BillingTerms.TaxTreatment.TAXED:
        return []
    return list(terms.tax_rates.all())


def notes_of(terms: BillingTerms) -> dict[str, str]:
    """What its invoices must or may say: `tax_note`, `purchase_order`; empty texts are left out."""
    tax_note = ""
    if terms.tax_treatment != BillingTerms.TaxTreatment.TAXED:
        tax_note = terms.tax_note or DEFAULT_NOTES[BillingTerms.TaxTreatment(terms.tax_treatment)]
    found = {"tax_note": tax_note, "purchase_order": terms.purchase_order}
    return {name: text for name, text in found.items() if text}


def minimum_of(terms: BillingTerms, period: Period) -> Decimal:
    """The least that the month costs, in whole cents; zero where nothing was committed."""
    if terms.minimum_commitment is None or terms.minimum_from is None or period.start < terms.minimum_from:
        return Decimal("0.00")
    return terms.minimum_commitment


def due_at(terms: BillingTerms, finalized_at: datetime) -> datetime:
    days = settings.INVOICE_DUE_DAYS if terms.payment_days is None else terms.payment_days
    return finalized_at + timedelta(days=days)
