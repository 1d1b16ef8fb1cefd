"""The terms that a workspace's invoices follow."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from metering.invoicing.composing.taxes import TaxShare
from metering.invoicing.terms.models import AgreedPricing, BillingTerms
from metering.rows import columns_of, fetch_together, instances_of
from workspaces.models import Workspace

TERMS = f"""
SELECT {columns_of(BillingTerms, "terms")} FROM metering_billingterms terms WHERE workspace_id = ANY(%(workspaces)s)
"""  # noqa: S608 - columns
RATES = """
SELECT workspace_id, rate.name, rate.percent FROM metering_billingterms terms
JOIN metering_billingterms_tax_rates chosen ON chosen.billingterms_id = terms.id
JOIN metering_taxrate rate ON rate.id = chosen.taxrate_id
WHERE workspace_id = ANY(%(workspaces)s) ORDER BY 1, 2, 3
"""
PRICING = f"""
SELECT {columns_of(AgreedPricing, "agreed")} FROM metering_agreedpricing agreed
WHERE workspace_id = ANY(%(workspaces)s) ORDER BY effective_from
"""  # noqa: S608 - columns
DEFAULT_NOTES = {
    BillingTerms.TaxTreatment.EXEMPT: "Exempt from tax.",
    BillingTerms.TaxTreatment.REVERSE_CHARGE: "Reverse charge: the recipient of the service accounts for the tax.",
}


def terms_of(workspace: Workspace) -> BillingTerms:
    """The workspace's terms; the defaults, not saved, where nothing was agreed."""
    (rows,) = fetch_together([TERMS], {"workspaces": [workspace.pk]})
    return terms_from(rows, [workspace])[workspace.pk]


def terms_from(rows: Iterable[Sequence[Any]], workspaces: Sequence[Workspace]) -> dict[int, BillingTerms]:
    """The terms of each, by their primary keys, from the rows of TERMS."""
    found = {terms.workspace_id: terms for terms in instances_of(BillingTerms, rows)}
    for workspace in workspaces:
        found.setdefault(workspace.pk, BillingTerms()).workspace = workspace
    return found


def rates_by_workspace(rows: Iterable[Sequence[Any]], terms: Mapping[int, BillingTerms]) -> dict[int, tuple[TaxShare, ...]]:
    """The rates of RATES that invoices are taxed at: none for the exempt and under reverse charge."""
    found: dict[int, tuple[TaxShare, ...]] = dict.fromkeys(terms, ())
    for owner, name, percent in rows:
        if terms[owner].tax_treatment == BillingTerms.TaxTreatment.TAXED:
            found[owner] += (TaxShare(name, percent),)
    return found


def tax_rates_of(terms: BillingTerms) -> tuple[TaxShare, ...]:
    """The rates that its workspace's invoices are taxed at."""
    (rows,) = fetch_together([RATES], {"workspaces": [terms.workspace_id]})
    return rates_by_workspace(rows, {terms.workspace_id: terms})[terms.workspace_id]


def terms_notes(terms: BillingTerms) -> dict[str, str]:
    """What its invoices must or may say: `tax_note`, `purchase_order`; empty texts are left out."""
    tax_note = ""
    if terms.tax_treatment != BillingTerms.TaxTreatment.TAXED:
        tax_note = terms.tax_note or DEFAULT_NOTES[BillingTerms.TaxTreatment(terms.tax_treatment)]
    found = {"tax_note": tax_note, "purchase_order": terms.purchase_order}
    return {name: text for name, text in found.items() if text}


def pricing_of(workspace: Workspace) -> list[AgreedPricing]:
    """All that was ever agreed about discount and minimum, oldest first."""
    (rows,) = fetch_together([PRICING], {"workspaces": [workspace.pk]})
    return pricing_from(rows, [workspace])[workspace.pk]


def pricing_from(rows: Iterable[Sequence[Any]], workspaces: Sequence[Workspace]) -> dict[int, list[AgreedPricing]]:
    """The same of many, by their primary keys, from the rows of PRICING."""
    found: dict[int, list[AgreedPricing]] = {each.pk: [] for each in workspaces}
    for agreed in instances_of(AgreedPricing, rows):
        found[agreed.workspace_id].append(agreed)
    return found


def in_force(agreed: Sequence[AgreedPricing], month: datetime) -> AgreedPricing:
    """What holds for the month that begins then; neither discount nor minimum where nothing was agreed for it."""
    found = [each for each in agreed if each.effective_from <= month]
    return found[-1] if found else AgreedPricing(effective_from=month)


def days_until_due(terms: BillingTerms) -> int:
    return int(settings.INVOICE_DUE_DAYS) if terms.payment_days is None else terms.payment_days


def due_at(terms: BillingTerms, finalized_at: datetime) -> datetime:
    return finalized_at + timedelta(days=days_until_due(terms))
