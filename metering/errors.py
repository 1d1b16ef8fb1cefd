"""What metering refuses, each with its code and status."""

from omixa_billing.api.errors import Refusal


class NotFound(Refusal):
    code = "not_found"
    status = 404


class RangeTooLong(Refusal):
    code = "range_too_long"
    status = 422


class TooManyRows(Refusal):
    code = "too_many_rows"
    status = 422


class PriceAlreadySet(Refusal):
    code = "price_already_set"
    status = 409


class InvalidPrice(Refusal):
    code = "invalid_price"
    status = 422


class PriceImportChanged(Refusal):
    code = "price_import_changed"
    status = 409


class MonthNotEnded(Refusal):
    code = "month_not_ended"
    status = 422


class InvoiceNotDraft(Refusal):
    code = "invoice_not_draft"
    status = 409


class InvoiceNotOpen(Refusal):
    code = "invoice_not_open"
    status = 409


class InvoiceNotVoid(Refusal):
    code = "invoice_not_void"
    status = 409


class MalformedBody(Refusal):
    code = "malformed_body"
    status = 400


class BatchTooLarge(Refusal):
    code = "batch_too_large"
    status = 413


class InboxFull(Refusal):
    code = "inbox_full"
    status = 429


class StripeNotConfigured(Refusal):
    code = "stripe_not_configured"
    status = 409


class PaymentInProgress(Refusal):
    code = "payment_under_way"
    status = 409


class NothingToAccept(Refusal):
    code = "nothing_to_accept"
    status = 409


class PaymentRefused(Refusal):
    code = "payment_refused"
    status = 409


class NothingToCredit(Refusal):
    code = "nothing_left"
    status = 409


class NotOnePayer(Refusal):
    """Nothing says that one customer pays for both workspaces."""

    code = "not_one_payer"
    status = 422


class InvoiceHasPayments(Refusal):
    code = "invoice_has_payments"
    status = 409


class IdempotencyKeyRequired(Refusal):
    code = "idempotency_key_required"
    status = 400


class IdempotencyKeyReused(Refusal):
    code = "idempotency_key_reused"
    status = 409


class WebhookRefused(Refusal):
    code = "invalid_signature"
    status = 400


class NoPaymentMethod(Refusal):
    code = "no_payment_method"
    status = 409

    def __init__(self) -> None:
        super().__init__("No payment method is saved: save one, or pay on a page.")


class SandboxBuysNothing(Refusal):
    code = "sandbox_buys_nothing"
    status = 409


class TooManyTopUps(Refusal):
    """The workspace has bought credit as often today as it may."""

    code = "too_many_top_ups"
    status = 429


class AmountTooSmall(Refusal):
    code = "too_little_to_pay"
    status = 409


class StripeAway(Refusal):
    code = "stripe_unavailable"
    status = 503


class NothingToBill(Refusal):
    code = "nothing_to_bill"
    status = 409


class PriceInForce(Refusal):
    code = "price_in_force"
    status = 409


class AlreadyResolved(Refusal):
    code = "quarantine_settled"
    status = 409


class RuleExists(Refusal):
    """What a number is was said before."""

    code = "rule_exists"
    status = 409


class JobUnknown(Refusal):
    """No job that a person may order."""

    code = "job_unknown"
    status = 422


class NotOrdered(Refusal):
    """A job that only a person's order starts."""

    code = "not_ordered"
    status = 403


class LeakReportForged(Refusal):
    """A report of leaked secrets that GitHub did not sign."""

    code = "invalid_signature"
    status = 401


class ScanningKeysUnavailable(Refusal):
    """Whether GitHub signed a report cannot be said now."""

    code = "scanning_keys_unavailable"
    status = 503


class PeriodLocked(Refusal):
    code = "period_locked"
    status = 409


class PeriodNotLockable(Refusal):
    """It has not ended, or is locked already."""

    code = "period_not_lockable"
    status = 409
