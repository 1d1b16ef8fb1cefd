"""What the invoice endpoints take and answer, as the OpenAPI document describes it. as_json.py makes the values."""

from typing import Any

from rest_framework import serializers

from metering.invoicing.documents.annex import LINES_OF_A_PART
from metering.invoicing.models import Invoice, InvoiceLine
from metering.usage.parameters import DEFAULT_EVENTS_PAGE, MAX_EVENTS_PAGE
from metering.usage.serializers import AmountField, UsageEventSerializer
from omixa_billing.api.fields import WordsField
from omixa_billing.api.lists import CursorQuery, limit_field, list_serializer

MAX_INVOICES_PAGE = 100
DEFAULT_INVOICES_PAGE = 20
MAX_LINES_PAGE = 1_000
DEFAULT_LINES_PAGE = 100


class CentsField(serializers.CharField):
    """A rounded amount as a decimal string, such as `12.34`."""

    def __init__(self, **extra: Any) -> None:
        super().__init__(**({"help_text": "A decimal string with two places."} | extra))


class InvoicesQuery(CursorQuery):
    status = WordsField(tuple(Invoice.Status.values), help_text="Only invoices in these states.")
    limit = limit_field(MAX_INVOICES_PAGE, DEFAULT_INVOICES_PAGE)


class InvoiceLinesQuery(CursorQuery):
    format = serializers.ChoiceField(
        choices=("json", "csv"), default="json", help_text="`csv` streams all of them; `limit` does not apply to it."
    )
    limit = limit_field(MAX_LINES_PAGE, DEFAULT_LINES_PAGE)


class AnnexQuery(serializers.Serializer[Any]):
    part = serializers.IntegerField(
        min_value=1, default=1, help_text=f"Each part has {LINES_OF_A_PART:,} lines; one after the last is a 404."
    )


class LineEventsQuery(CursorQuery):
    format = serializers.ChoiceField(
        choices=("json", "csv"), default="json", help_text="`csv` streams all of them; `limit` does not apply to it."
    )
    limit = limit_field(MAX_EVENTS_PAGE, DEFAULT_EVENTS_PAGE)


class InvoiceLineSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(allow_null=True, help_text="null in the preview of the running month.")
    kind = serializers.ChoiceField(
        choices=InvoiceLine.Kind.values,
        help_text="`adjustment` bills an earlier month; `fee` recurs, and `manual` was added by hand.",
    )
    description = serializers.CharField()
    model = serializers.CharField(allow_null=True, help_text="null, like the fields that follow, on lines that bill no tokens.")
    service_tier = serializers.CharField(allow_null=True)
    component = serializers.CharField(allow_null=True, help_text="`input` is the uncached input.")
    quantity = serializers.IntegerField(help_text="In units; below zero where an adjustment takes them back. Else 1.")
    unit = serializers.CharField(allow_null=True, help_text="What is counted: `token`, `search`, `image`, `ms`, ...")
    rate = serializers.CharField(allow_null=True, help_text="USD for as much as `rate_for` says, exact.")
    rate_for = serializers.CharField(allow_null=True, help_text="`1M tokens`, `search`, `second`, ...")
    rate_per_million = serializers.CharField(allow_null=True, help_text="USD per million tokens, six places.")
    amount_exact = AmountField()
    amount = CentsField(help_text="Its share of the rounded subtotal: the lines' add up to it.")
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField(help_text="Not included.")
    price_id = serializers.CharField(allow_null=True, help_text="The price version it was rated with.")


class PartySerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    address = serializers.CharField()
    tax_id = serializers.CharField()


class BuyerSerializer(PartySerializer):
    email = serializers.CharField()
    workspace_id = serializers.CharField()


class TaxSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    percent = serializers.CharField(help_text="Such as `19` or `8.875`.")
    taxable = CentsField(
        help_text="What it applies to: all that is not a credit, or the lines of months that it was agreed for."
    )
    amount = CentsField()


class NotesSerializer(serializers.Serializer[Any]):
    tax_note = serializers.CharField(required=False, help_text="Why no tax is charged.")
    purchase_order = serializers.CharField(required=False, help_text="The customer's own text.")
    carried = serializers.CharField(required=False, help_text="Which earlier months had no invoice of their own.")


class InvoiceSummarySerializer(serializers.Serializer[Any]):
    """An invoice without its lines: `GET /api/v1/invoices/{id}` has all of them, `/{id}/lines` pages of them."""

    object = serializers.ChoiceField(choices=["invoice"])
    id = serializers.CharField()
    number = serializers.CharField(allow_null=True, help_text="null on a draft.")
    status = serializers.ChoiceField(choices=Invoice.Status.values)
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField(help_text="Not included.")
    seller = PartySerializer()
    buyer = BuyerSerializer()
    line_count = serializers.IntegerField(help_text="How many lines it has.")
    subtotal_exact = AmountField()
    subtotal = CentsField(help_text="The exact sum, rounded once, half up.")
    promotional_credits = CentsField(help_text="Applied before tax.")
    taxes = TaxSerializer(many=True)
    tax = CentsField(help_text="The taxes' sum.")
    total = CentsField(help_text="Subtotal less promotional credits, plus tax.")
    credits_applied = CentsField(help_text="Purchased and goodwill credits, applied as payments are.")
    amount_paid = CentsField()
    credited = CentsField(help_text="Taken off by credit notes.")
    charged_back = CentsField(help_text="Payments of it that a bank or Stripe took back: due again.")
    amount_due = CentsField(help_text="Total less credits applied, paid and credited; 0.00 on a void invoice.")
    credit_notes = serializers.ListField(child=serializers.CharField(), help_text="Ids, newest first.")
    notes = NotesSerializer()
    currency = serializers.CharField()
    finalized_at = serializers.DateTimeField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)


class InvoiceSerializer(InvoiceSummarySerializer):
    """An invoice with all its lines, however many."""

    lines = InvoiceLineSerializer(many=True)


class InvoicePreviewSerializer(InvoiceSerializer):
    """The running month. A total below zero is a credit that waits for the next invoice."""

    id = serializers.CharField(allow_null=True, help_text="null: there is no invoice yet.")


InvoiceListSerializer = list_serializer("InvoiceListSerializer", InvoiceSummarySerializer)
InvoiceLineListSerializer = list_serializer("InvoiceLineListSerializer", InvoiceLineSerializer)


class BilledEventSerializer(UsageEventSerializer):
    quantity = serializers.IntegerField(help_text="What the line bills of it, in the line's unit.")
    amount_exact = AmountField(help_text="What the line bills for it: exact USD.")


BilledEventListSerializer = list_serializer("BilledEventListSerializer", BilledEventSerializer)
