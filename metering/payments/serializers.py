"""What the payment endpoints take and answer, as the OpenAPI document describes it. as_json.py makes the values."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from metering.credits.models import CreditEntry, CreditGrant
from metering.invoicing.models import Invoice
from metering.invoicing.serializers import CentsField
from metering.payments.models import TopUp
from metering.payments.top_ups.purchase import PAGE, SAVED
from metering.usage.serializers import AmountField
from omixa_billing.api.fields import InstantField, StrictDecimal
from omixa_billing.api.lists import CursorQuery, limit_field, list_serializer

MAX_PAGE = 100
DEFAULT_PAGE = 20


class PageQuery(CursorQuery):
    limit = limit_field(MAX_PAGE, DEFAULT_PAGE)


class ExportQuery(serializers.Serializer[Any]):
    start = InstantField(help_text="Included.")
    end = InstantField(help_text="Not included.")


class BalanceSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["balance"])
    balance = AmountField(help_text="Credits less unbilled usage and the tax on it, exact; below zero where more was used.")
    credits = CentsField(help_text="What is left of all credits.")
    promotional = CentsField()
    purchased = CentsField()
    goodwill = CentsField()
    unbilled_usage = AmountField(help_text="Usage on no finalized invoice yet, less discounts.")
    unbilled_tax = CentsField(help_text="The tax on it.")
    currency = serializers.CharField()
    as_of = serializers.DateTimeField()


class CreditSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["credit"])
    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=CreditGrant.Kind.values, help_text="`promotional` is applied before tax.")
    amount = CentsField(help_text="As granted: left, used, expired, reversed and transferred add up to it.")
    left = CentsField()
    used = CentsField()
    expired = CentsField()
    reversed = CentsField()
    transferred = CentsField(help_text="To another workspace of the same payer.")
    currency = serializers.CharField()
    priority = serializers.IntegerField(help_text="Lower is used first among credits of one kind and expiry.")
    note = serializers.CharField()
    granted_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="It counts for every month in which it was valid.")


CreditListSerializer = list_serializer("CreditListSerializer", CreditSerializer)


class CreditEntrySerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["credit_entry"])
    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=CreditEntry.Kind.values)
    amount = CentsField(help_text="Above zero where credit comes, below where it goes.")
    invoice_id = serializers.CharField(allow_null=True)
    reason = serializers.CharField()
    at = serializers.DateTimeField()


CreditEntryListSerializer = list_serializer("CreditEntryListSerializer", CreditEntrySerializer)


class TopUpToMake(serializers.Serializer[Any]):
    amount = StrictDecimal(max_digits=12, decimal_places=2, min_value=Decimal("0.01"), help_text="USD.")
    method = serializers.ChoiceField(choices=[PAGE, SAVED], default=PAGE, help_text="`saved` charges the saved method.")


class TopUpSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["top_up"])
    id = serializers.CharField()
    status = serializers.ChoiceField(choices=TopUp.Status.values)
    amount = CentsField()
    currency = serializers.CharField()
    automatic = serializers.BooleanField()
    payment_page = serializers.CharField(allow_null=True, help_text="Where to pay it while it is pending.")
    message = serializers.CharField(help_text="Why it failed.")
    credit_id = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)


class PaymentToMake(serializers.Serializer[Any]):
    method = serializers.ChoiceField(choices=[PAGE, SAVED], default=PAGE, help_text="`saved` charges the saved method.")


class InvoicePaymentSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["invoice_payment"])
    invoice_id = serializers.CharField()
    status = serializers.ChoiceField(choices=Invoice.Status.values, help_text="Of the invoice.")
    payment_page = serializers.CharField(allow_null=True)
    attempt = serializers.CharField(allow_null=True, help_text="What became of charging the saved method.")
    message = serializers.CharField(help_text="Why it was declined.")
