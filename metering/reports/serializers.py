"""What the statement's endpoints take and answer, as the OpenAPI document describes it. statement.py makes the values."""

from typing import Any

from rest_framework import serializers

from metering.invoicing.serializers import CentsField
from metering.journal.models import JournalEntry
from omixa_billing.api.fields import InstantField


class StatementPeriodQuery(serializers.Serializer[Any]):
    start = InstantField(help_text="Included.")
    end = InstantField(help_text="Not included.")


class StatementQuery(StatementPeriodQuery):
    format = serializers.ChoiceField(choices=("json", "csv"), default="json")


class PositionSerializer(serializers.Serializer[Any]):
    invoices_due = CentsField(help_text="Due on invoices.")
    credit = CentsField(help_text="Credit left of every kind.")
    owed_to_customer = CentsField(help_text="To be given back, and payments that settle nothing yet.")
    balance = CentsField(help_text="`invoices_due` less the other two: below zero it is in the customer's favour.")


class StatementEntrySerializer(PositionSerializer):
    """The amounts are what it changed; `balance` is what it was then."""

    id = serializers.CharField()
    at = serializers.DateTimeField(help_text="The day of the act: of a payment, when the money came.")
    kind = serializers.ChoiceField(choices=JournalEntry.Kind.values)
    document_id = serializers.CharField(help_text="What it is about: an invoice, a credit note, a payment, a refund, a credit.")
    number = serializers.CharField(help_text="Of the invoice or credit note; empty where there is none.")


class StatementSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["statement"])
    workspace_id = serializers.CharField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    currency = serializers.CharField()
    opening = PositionSerializer()
    entries = StatementEntrySerializer(many=True)
    closing = PositionSerializer(help_text="The opening and all changes.")
