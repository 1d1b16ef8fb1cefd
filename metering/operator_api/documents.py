"""What operators' programs are answered, as the OpenAPI document describes it. answers.py makes the values."""

from typing import Any

from rest_framework import serializers

from metering.credits.models import CreditGrant
from metering.invoicing.models import Invoice
from metering.invoicing.serializers import CentsField
from metering.offboarding.models import ClosedWorkspace


class DocumentSerializer(serializers.Serializer[Any]):
    """The document that came of it."""

    id = serializers.CharField(allow_null=True)
    number = serializers.CharField(allow_null=True)
    status = serializers.CharField()
    amount = CentsField()


class PaidInvoiceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=Invoice.Status.values)
    amount_due = CentsField()


class RecordedPaymentSerializer(DocumentSerializer):
    invoices = PaidInvoiceSerializer(many=True)
    surplus = CentsField(help_text="What was due on none of them.")


class IssuedNoteSerializer(DocumentSerializer):
    invoice_id = serializers.CharField()
    off_due = CentsField()
    given_back = CentsField()
    settlement = serializers.CharField(allow_null=True)
    reference = serializers.CharField(allow_null=True)


class ChargebackSerializer(DocumentSerializer):
    fee = CentsField()
    reference = serializers.CharField()
    invoice_id = serializers.CharField(allow_null=True)
    invoice_status = serializers.CharField(allow_null=True)
    amount_due = CentsField(allow_null=True)
    chargebacks = serializers.ListField(child=serializers.CharField())


class PayoutSerializer(DocumentSerializer):
    reference = serializers.CharField()
    settled = serializers.ListField(child=serializers.CharField())


class TransferredCreditSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=CreditGrant.Kind.values)
    amount = CentsField()


class TransferSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["credit_transfer"])
    id = serializers.CharField()
    from_workspace_id = serializers.CharField()
    to_workspace_id = serializers.CharField()
    amount = CentsField()
    currency = serializers.CharField()
    reference = serializers.CharField()
    reason = serializers.CharField()
    one_payer = serializers.CharField(help_text="Why both are one payer.")
    credits = TransferredCreditSerializer(many=True, help_text="What it became.")
    transferred_at = serializers.DateTimeField()


class ManualLineSerializer(serializers.Serializer[Any]):
    line_id = serializers.CharField()
    workspace_id = serializers.CharField()
    month = serializers.CharField()
    text = serializers.CharField()
    amount = CentsField()
    currency = serializers.CharField()


class FeeSerializer(serializers.Serializer[Any]):
    fee_id = serializers.CharField()
    workspace_id = serializers.CharField()
    name = serializers.CharField()
    monthly = CentsField()
    seats = serializers.IntegerField(allow_null=True)
    until = serializers.CharField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python's own."""
        return super().get_fields() | {"from": serializers.CharField()}


class LastInvoiceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(allow_null=True)
    number = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=Invoice.Status.values)
    total = CentsField()
    amount_due = CentsField()


class VoidMonthSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    number = serializers.CharField()
    workspace_id = serializers.CharField()
    month = serializers.CharField(help_text="YYYY-MM.")
    total = CentsField()


class ClosedSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["closed_workspace"])
    workspace_id = serializers.CharField()
    closed_at = serializers.DateTimeField()
    reason = serializers.CharField()
    credit = serializers.ChoiceField(choices=ClosedWorkspace.Credit.values)
    invoices = LastInvoiceSerializer(many=True)
    waiting_for_reissue = VoidMonthSerializer(
        many=True, help_text="Void invoices whose months nobody reissued: what they billed is on no other invoice."
    )
    keys_revoked = serializers.IntegerField()
    credit_refunded = CentsField()
    credit_owed = CentsField()
    credit_expired = CentsField()
    given_credit_expired = CentsField(help_text="Promotional and goodwill credit.")
    not_billed = CentsField(help_text="Less than is issued, or below zero: waits to be given back.")
    currency = serializers.CharField()


class AccountSerializer(serializers.Serializer[Any]):
    account = serializers.CharField()
    currency = serializers.CharField()
    balance = CentsField(help_text="Debits above zero, credits below.")


class TrialBalanceSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField(help_text="Whether all add up to nothing.")
    accounts = AccountSerializer(many=True)


class ReportSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["report"])
    name = serializers.CharField()
    rows = serializers.ListField(child=serializers.DictField(), help_text="The same columns as the report's CSV.")
