"""What the nightly proof found, in sentences: who says what, and the pages of what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from metering.catalogue.models import PriceVersion
from metering.credits.models import CreditGrant
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.payments.models import Payment, Refund
from workspaces.models import Workspace

COLUMNS = ["Finding", "About", "We say", "They say"]
SHORT = 24
STRIPE = "Stripe"


class Sides(NamedTuple):
    """The finding, whose word `found` is, and whose `expected`."""

    sentence: str
    ours: str
    theirs: str


CHECKS = {
    "payments_are_what_was_paid": Sides(
        "What the invoice says was paid is not the sum of its payments.", "payments", "invoice"
    ),
    "credits_used_are_what_was_applied": Sides(
        "The credits that the invoice says it used are not those it used.", "credit ledger", "invoice"
    ),
    "credit_left_is_within_its_grant": Sides("More of a credit was used, or is left, than was granted.", "ledger", "grant"),
    "refunds_are_what_was_given_back": Sides(
        "What the payment says went back is not the sum of its refunds.", "payment", "refunds"
    ),
    "reopened_amounts_were_charged_back": Sides("What is owed again is not what was taken back.", "taken back", "invoice"),
    "what_was_kept_as_credit_adds_up": Sides(
        "What the payment says was kept as credit is not what was kept.", "credit notes", "payment"
    ),
    "lost_disputes_are_what_was_charged_back": Sides(
        "What banks took back is not that of lost disputes.", "disputes", "payment"
    ),
    "disputes_are_stripes": Sides("A dispute differs from Stripe's.", "Stripe", "here"),
    "exact_lines_add_up": Sides("The exact subtotal is not the sum of the lines.", "invoice", "lines"),
    "subtotal_is_rounded_once": Sides("The subtotal is not the exact one, rounded.", "invoice", "exact, rounded"),
    "displayed_lines_add_up": Sides("The displayed amounts of the lines are not the subtotal.", "lines", "invoice"),
    "tax_is_the_sum_of_taxes": Sides("The tax is not the sum of the taxes.", "invoice", "taxes"),
    "total_is_subtotal_and_tax": Sides("The total is not subtotal and tax.", "invoice", "subtotal and tax"),
    "due_is_total_less_settled": Sides("What is due is not the total less what was settled.", "invoice", "total less settled"),
    "nothing_is_due_on_a_paid_invoice": Sides("Something is due on a paid invoice.", "invoice", "its status"),
    "lines_are_quantity_times_rate": Sides("Lines are not their tokens times their rate.", "invoice", "tokens times rate"),
    "numbers_have_no_gaps": Sides("Numbers of invoices are missing.", "numbers given", "the last number"),
    "billed_tokens_were_used": Sides("More tokens are billed than were used.", "invoices", "usage"),
    "credited_lines_add_up": Sides("The credit note's lines are not its subtotal.", "lines", "credit note"),
    "credited_tax_is_the_sum_of_taxes": Sides("The credit note's tax is not the sum of its taxes.", "credit note", "taxes"),
    "credit_note_is_subtotal_and_tax": Sides("The credit note's total is not subtotal and tax.", "credit note", "its parts"),
    "credit_note_is_off_due_or_given_back": Sides("A part of the credit note is not settled.", "settled", "credit note"),
    "credited_is_what_credit_notes_took_off": Sides(
        "What the invoice says was credited is not the sum of its credit notes.", "invoice", "credit notes"
    ),
    "no_line_is_credited_beyond_itself": Sides("Lines were credited beyond their amount.", "credit notes", "lines"),
    "no_more_credited_than_billed": Sides("More was credited than billed.", "credit notes", "invoice"),
    "rollup_by_hour_is_its_events": Sides("An hourly sum is not that of its events.", "hourly sums", "events"),
    "rollup_by_day_is_its_events": Sides("A daily sum is not that of its events.", "daily sums", "events"),
    "other_components_by_hour_are_those_of_events": Sides(
        "An hourly sum of a component is not that of its events.", "hourly sums", "events"
    ),
    "other_components_by_day_are_those_of_events": Sides(
        "A daily sum of a component is not that of its events.", "daily sums", "events"
    ),
    "rollup_cost_is_tokens_times_rates": Sides("A day's cost is not its tokens times the rates.", "daily sums", "rates"),
    "event_costs_its_tokens_times_rates": Sides("A request's cost is not its tokens times the rates.", "request", "rates"),
    "voided_by_a_correction": Sides("A request is voided, and no correction did it.", "corrections", "request"),
    "event_is_as_last_corrected": Sides("A request is not as it was last corrected.", "request", "corrections"),
    "corrections_follow_each_other": Sides("A correction does not begin where the last one ended.", "this one", "the last one"),
    "audit_trail_is_untouched": Sides("The audit trail was changed: see manage.py verify_audit.", "trail", "its chain"),
    "without_effect_nothing_changes": Sides("A correction without effect changed something.", "after", "before"),
}
# Ids by the name under which a finding carries them: whose they are, and by which field they are found.
PAGES: dict[str, tuple[type[Model], str]] = {
    "invoice_id": (Invoice, "public_id"),
    "credit_note_id": (CreditNote, "public_id"),
    "payment_id": (Payment, "public_id"),
    "credit_id": (CreditGrant, "public_id"),
    "intent_id": (Payment, "intent_id"),
    "workspace_id": (Workspace, "public_id"),
    "price_id": (PriceVersion, "public_id"),
}
VALUES = ("check", "expected", "found")


def findings_table(differences: Sequence[dict[str, Any]]) -> SafeString:
    """As many statements as there are kinds of ids, whatever the number of findings."""
    links = _links(differences)
    rows = [_row(each, links) for each in differences]
    context = {"columns": COLUMNS, "rows": rows, "stack": 1, "empty": "Everything agrees."}
    return SafeString(render_to_string("console/kit/table.html", context))


def finding_sentence(difference: dict[str, Any]) -> str:
    """`Stripe says canceled, we say 125.24 paid.`"""
    check = str(difference.get("check", ""))
    expected, found = str(difference.get("expected")), str(difference.get("found"))
    if check == "payments_are_stripes":
        if "payment_id" not in difference and "intent_id" not in difference:
            return f"Stripe did not answer, so payments were not compared with it: {found}"
        theirs = f"{expected} paid" if _is_amount(expected) else expected
        return f"Stripe says {theirs}, we {f'say {found} paid' if _is_amount(found) else f'have {found}'}."
    if check == "refunds_are_stripes":
        amount, _, status = expected.partition(" ")
        state = status if status in ("succeeded", "failed") else f"is {status}"
        return f"Stripe says a refund of {amount} {state}, we {'have none' if found == 'no refund' else f'say {found}'}."
    return CHECKS[check].sentence if check in CHECKS else f"This does not hold: {check.replace('_', ' ')}."


def _row(difference: dict[str, Any], links: dict[tuple[str, str], str]) -> list[SafeString]:
    stated = CHECKS.get(str(difference.get("check", "")), Sides("", "", STRIPE))
    return [
        format_html("<span>{}</span>", finding_sentence(difference)),
        _about(difference, links),
        _value_html(difference.get("found"), stated.ours),
        _value_html(difference.get("expected"), stated.theirs),
    ]


def _value_html(value: Any, who: str) -> SafeString:
    """The value on one line where it is short, and below it whose word it is."""
    if isinstance(value, dict):
        value = ", ".join(f"{name} {each}" for name, each in value.items())
    text = "nothing" if value is None else str(value)
    style = "console-nowrap" if len(text) <= SHORT else ""
    note = format_html('<br><span class="console-note">{}</span>', who) if who else ""
    return format_html('<span><span class="{}">{}</span>{}</span>', style, text, note)


def _about(difference: dict[str, Any], links: dict[tuple[str, str], str]) -> SafeString:
    """The ids, each with its page; an invoice by its number."""
    named = {name: value for name, value in difference.items() if name not in VALUES and value not in (None, "")}
    if "number" in named and ("invoice_id" in named or "credit_note_id" in named):
        number = named.pop("number")
        kind = "invoice_id" if "invoice_id" in named else "credit_note_id"
        return format_html("<span>{}</span>", _link(kind, str(named[kind]), str(number), links))
    parts = [(_label(name), _link(name, str(value), str(value), links)) for name, value in named.items()]
    return format_html("<span>{}</span>", format_html_join(SafeString("<br>"), "{} {}", parts))


def _label(name: str) -> str:
    return {"intent_id": "at Stripe", "refund_id": "refund"}.get(name, name.removesuffix("_id").replace("_", " "))


def _link(name: str, value: str, text: str, links: dict[tuple[str, str], str]) -> SafeString:
    page = links.get((name, value))
    if page is None and name in PAGES:
        page = f"{_address(PAGES[name][0], 'changelist')}?q={value}"
    return format_html('<a class="console-link" href="{}">{}</a>', page, text) if page else format_html("{}", text)


def _links(differences: Iterable[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """The page of each id that a finding carries, as far as there is one."""
    found: dict[tuple[str, str], str] = {}
    for name, (model, field) in PAGES.items():
        ids = {str(each[name]) for each in differences if each.get(name)}
        rows = model._default_manager.filter(**{f"{field}__in": ids}).values_list(field, "pk") if ids else ()
        found |= {(name, value): _address(model, "change", pk) for value, pk in rows}
    ids = {str(each["refund_id"]) for each in differences if each.get("refund_id")}
    for stripe_id, payment in Refund.objects.filter(stripe_id__in=ids).values_list("stripe_id", "payment_id") if ids else ():
        found[("refund_id", str(stripe_id))] = _address(Payment, "change", payment)
    return found


def _address(model: type[Model], page: str, *args: int) -> str:
    return reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_{page}", args=args)


def _is_amount(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
