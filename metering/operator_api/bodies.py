"""What operators' programs send, as the OpenAPI document describes it."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from metering.checked_inputs import LONGEST_REASON, LONGEST_REFERENCE
from metering.credits.models import CreditGrant
from metering.invoicing.credit_notes.models import CreditNote
from metering.offboarding.models import ClosedWorkspace
from metering.periods import parse_month
from metering.reports.margins import MARGIN_GROUPS
from omixa_billing.api.fields import InstantField, StrictDecimal, StrictInteger, StrictText, WordsField
from omixa_billing.api.requests import StrictBody

REFERENCE = "Where the money is found, such as the reference of a transfer."


def usd_field(
    help_text: str = "USD, in whole cents.", least: Decimal | None = Decimal("0.01"), **extra: Any
) -> serializers.DecimalField:
    return StrictDecimal(max_digits=14, decimal_places=2, min_value=least, help_text=help_text, **extra)


def text_of_reason(**extra: Any) -> serializers.CharField:
    return StrictText(max_length=LONGEST_REASON, **extra)


def text_of_reference(help_text: str = REFERENCE, **extra: Any) -> serializers.CharField:
    return StrictText(max_length=LONGEST_REFERENCE, help_text=help_text, **extra)


class MonthField(serializers.CharField):
    """`2026-10`, as its period."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return parse_month(super().to_internal_value(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None

    def to_representation(self, value: Any) -> str:
        return f"{value.start:%Y-%m}"


class ReasonToGive(StrictBody):
    reason = text_of_reason(help_text="For the trail, and for the document where it prints one.")


class PaymentToRecord(StrictBody):
    amount = usd_field("USD, in whole cents: a part, all that is due, or more, which is kept as a surplus.")
    reference = text_of_reference()
    arrived_on = serializers.DateField(required=False, help_text="When the money came, a day of UTC; absent: now.")
    also_for = serializers.ListField(
        child=StrictText(max_length=64), required=False, max_length=100, help_text="More invoices that it pays, in this order."
    )


class CreditNoteToIssue(StrictBody):
    reason = text_of_reason(help_text="Printed on the credit note.")
    line_id = StrictText(required=False, max_length=64, help_text="Only this line; absent: all lines.")
    amount = usd_field("USD before tax, in whole cents; absent: all that is left.", required=False)
    settlement = serializers.ChoiceField(
        choices=CreditNote.Settlement.values, required=False, help_text="How what was paid goes back; absent: as it came."
    )
    reference = text_of_reference(
        "One credit note per invoice and reference. Of `outside` where the transfer is found; absent: the reason says it.",
        required=False,
    )


class ReissueToMake(StrictBody):
    month = MonthField()
    finalize = serializers.BooleanField(default=False, help_text="Number the draft and freeze it.")


class ChargebackToRecord(StrictBody):
    """Of an invoice, by id or number, or of one payment."""

    invoice = StrictText(required=False, max_length=64)
    payment_id = StrictText(required=False, max_length=64)
    amount = usd_field()
    reference = text_of_reference("Where the chargeback is found, at the bank.")
    fee = usd_field("The bank's fee for it.", least=Decimal(0), default=Decimal("0.00"))

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        if ("invoice" in asked) == ("payment_id" in asked):
            raise serializers.ValidationError({"invoice": ["Name an invoice or a payment."]})
        return asked


class PayoutToRecord(StrictBody):
    amount = usd_field()
    reference = text_of_reference()


class TransferToMake(StrictBody):
    from_workspace_id = StrictText(max_length=64)
    to_workspace_id = StrictText(max_length=64)
    amount = usd_field()
    reference = text_of_reference("A reference can be used only once.")
    reason = text_of_reason(required=False, default="", allow_blank=True)
    kind = serializers.ChoiceField(
        choices=CreditGrant.Kind.values, required=False, help_text="Of this kind only; absent: in the order of use."
    )
    statement = text_of_reason(
        required=False,
        default="",
        allow_blank=True,
        help_text="Why both are one payer, where their billing profiles do not say.",
    )


class ClosingToDo(StrictBody):
    reason = text_of_reason()
    credit = serializers.ChoiceField(
        choices=ClosedWorkspace.Credit.values,
        default=ClosedWorkspace.Credit.REFUND.value,
        help_text="What becomes of bought credit that is left.",
    )


class LineToAdd(StrictBody):
    month = MonthField(help_text="Which month it is billed and taxed as.")
    amount = usd_field("USD, in whole cents; below zero gives it back.", least=None)
    text = StrictText(max_length=300, help_text="As the invoice prints it.")


class FeeToSet(StrictBody):
    name = StrictText(max_length=100, help_text="As invoices print it; an existing name changes that fee.")
    monthly = usd_field("USD for a whole month, of one seat where there are seats; 0 ends it.", least=Decimal(0))
    seats = StrictInteger(required=False, allow_null=True, min_value=0, max_value=1_000_000)
    first_day = serializers.DateField(help_text="The first day with it, in UTC.")
    until = serializers.DateField(
        required=False, allow_null=True, help_text="The first day without it; absent: it does not end."
    )


class TrialBalanceQuery(serializers.Serializer[Any]):
    at = InstantField(required=False, help_text="Of what happened until then; absent: all of it.")


class MonthsQuery(serializers.Serializer[Any]):
    first = MonthField(required=False, help_text="YYYY-MM, included; absent: the running month.")
    last = MonthField(required=False, help_text="YYYY-MM, included; absent: the running month.")


class JournalQuery(MonthsQuery):
    format = serializers.ChoiceField(choices=("csv", "beancount"), default="csv")


class MarginsQuery(MonthsQuery):
    group_by = WordsField(MARGIN_GROUPS, help_text="One row per value of these; with commas or repeated.")


class DayQuery(serializers.Serializer[Any]):
    day = serializers.DateField(required=False, help_text="As of its end, UTC; absent: today.")
