"""What the credit note endpoints take and answer, as OpenAPI describes it. as_json.py makes the values."""

from typing import Any

from rest_framework import serializers

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.serializers import (
    DEFAULT_INVOICES_PAGE,
    MAX_INVOICES_PAGE,
    BuyerSerializer,
    CentsField,
    PartySerializer,
    TaxSerializer,
)
from omixa_billing.api.lists import CursorQuery, limit_field, list_serializer


class CreditNotesQuery(CursorQuery):
    invoice_id = serializers.CharField(required=False, help_text="Only credit notes of this invoice. A stranger's has none.")
    limit = limit_field(MAX_INVOICES_PAGE, DEFAULT_INVOICES_PAGE)


class CreditNoteLineSerializer(serializers.Serializer[Any]):
    invoice_line_id = serializers.CharField()
    description = serializers.CharField()
    amount = CentsField(help_text="What is credited of the line, before tax.")


class CreditNoteSummarySerializer(serializers.Serializer[Any]):
    """A credit note without its lines: `GET /api/v1/credit-notes/{id}` has them."""

    object = serializers.ChoiceField(choices=["credit_note"])
    id = serializers.CharField()
    number = serializers.CharField()
    invoice_id = serializers.CharField()
    invoice_number = serializers.CharField()
    reason = serializers.CharField()
    reference = serializers.CharField(
        allow_null=True, help_text="Where it is found elsewhere, such as the transfer that gives the money back."
    )
    seller = PartySerializer()
    buyer = BuyerSerializer()
    subtotal = CentsField(help_text="The lines' sum, before tax.")
    taxes = TaxSerializer(many=True)
    tax = CentsField(help_text="The taxes' sum.")
    total = CentsField(help_text="Subtotal plus tax.")
    off_due = CentsField(help_text="Taken off what was due on the invoice.")
    given_back = CentsField(help_text="The rest of the total: it goes back to the customer.")
    settlement = serializers.ChoiceField(
        choices=CreditNote.Settlement.values,
        allow_null=True,
        help_text="How it goes back; null where nothing does. What was paid with credits comes back as credit either way.",
    )
    currency = serializers.CharField()
    issued_at = serializers.DateTimeField()


class CreditNoteSerializer(CreditNoteSummarySerializer):
    lines = CreditNoteLineSerializer(many=True)


CreditNoteListSerializer = list_serializer("CreditNoteListSerializer", CreditNoteSummarySerializer)
