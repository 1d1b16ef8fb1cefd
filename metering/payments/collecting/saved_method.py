"""Attempts that charge a saved method.

Why nothing is ever charged twice: Stripe is asked under the attempt's one key, and before it is asked again the customer's
intents are listed, which is complete at once where search is not. Only when none of them is the attempt's, ten minutes after
Stripe answered the last call with a failure, which it repeats under that key, is the attempt canceled and another begun.

What Stripe refuses to us ends the attempt as canceled: nothing was made, and nothing is left that could be charged later,
beside what the customer does instead. An attempt that was begun some time ago is looked at again before Stripe is asked for it.
"""

from datetime import datetime, timedelta

from metering.payments.collecting import outcomes
from metering.payments.collecting.outcomes import CANCELED, DECLINED, end_attempt
from metering.payments.models import PaymentAttempt
from metering.payments.provider.calls import end_turn, is_busy, is_final, reserve_turn
from metering.payments.provider.current import provider
from metering.payments.provider.errors import MethodUnusable, ProviderRefused, ProviderUnavailable
from metering.payments.provider.objects import Intent
from metering.payments.top_ups.still_wanted import unwanted_because

CLOCKS_DIFFER = timedelta(minutes=10)
UNUSABLE = "The saved payment method cannot be used any more: save another one."
NOTHING_MADE = "Stripe failed, and made no payment."
# The code of an attempt that was refused without one.
REFUSED = "refused"


def sync_charge(attempt: PaymentAttempt, now: datetime) -> None:
    """Takes what Stripe made for the attempt, or asks it to make it. Raises ProviderUnavailable, ProviderRefused."""
    if attempt.intent_id:
        outcomes.apply_intent(attempt, provider().look_up_payment(attempt.intent_id), now)
    elif not is_busy(attempt, now) and not _is_answered(attempt, now):
        unwanted = unwanted_because(attempt, now) if now > attempt.started_at else ""
        if not unwanted:
            _ask(attempt, now)
        elif is_final(attempt, now):
            end_attempt(attempt, CANCELED, "", unwanted, now, intent_id__isnull=True, asked_at=attempt.asked_at)


def cancel_charge(attempt: PaymentAttempt, now: datetime) -> None:
    """Ends an attempt that nothing came of and nothing can come of any more, so that something else may be done instead."""
    if attempt.intent_id or is_busy(attempt, now) or not is_final(attempt, now):
        return
    made = _made(attempt) if attempt.asked_at is not None else None
    if made is not None:
        outcomes.apply_intent(attempt, made, now)
    else:
        end_attempt(attempt, CANCELED, "", "Nothing was charged.", now, intent_id__isnull=True, asked_at=attempt.asked_at)


def _is_answered(attempt: PaymentAttempt, now: datetime) -> bool:
    """Whether asking is of no use: an earlier call made the payment, or spent the key."""
    if attempt.asked_at is None:
        return False
    made = _made(attempt)
    if made is not None:
        outcomes.apply_intent(attempt, made, now)
    elif attempt.key_spent and is_final(attempt, now):
        end_attempt(attempt, CANCELED, "", NOTHING_MADE, now, intent_id__isnull=True, asked_at=attempt.asked_at)
    return made is not None or attempt.key_spent


def _ask(attempt: PaymentAttempt, now: datetime) -> None:
    request = attempt.request or provider().charge_request(attempt)
    unmade = PaymentAttempt.objects.filter(pk=attempt.pk, status=PaymentAttempt.Status.STARTED, intent_id__isnull=True)
    if not reserve_turn(unmade, now, request=request):
        return
    try:
        intent = provider().charge_saved_method(request, attempt.idempotency_key)
    except ProviderUnavailable as error:
        end_turn(attempt, now, error)
        made = _made(attempt)
        if made is None:
            raise
        intent = made
    except MethodUnusable as refused:
        _refuse_or_decline(attempt, refused, now)
        return
    except ProviderRefused as refused:
        _end_refused(attempt, refused, now)
        raise
    outcomes.apply_intent(attempt, intent, now)


def _refuse_or_decline(attempt: PaymentAttempt, refused: MethodUnusable, now: datetime) -> None:
    """A decline, unless Stripe does not know the customer at all: then it is asked with another account's key."""
    if refused.is_unknown and not provider().knows_customer(attempt.customer_id):
        _end_refused(attempt, refused, now)
        raise refused
    message = refused.provider_message if refused.is_the_banks else UNUSABLE
    end_attempt(attempt, DECLINED, refused.reason, message, now, intent_id__isnull=True)


def _end_refused(attempt: PaymentAttempt, refused: ProviderRefused, now: datetime) -> None:
    """Ends the attempt, as it was before the refused call, unless something may still come of an earlier one."""
    end_turn(attempt, now, refused, request={})
    if is_final(attempt, now) and not refused.spends_key:
        end_attempt(attempt, CANCELED, refused.reason or REFUSED, refused.message, now, intent_id__isnull=True)


def _made(attempt: PaymentAttempt) -> Intent | None:
    """The payment that an earlier call made."""
    intents = provider().list_payments(attempt.started_at - CLOCKS_DIFFER, attempt.customer_id)
    return next((each for each in intents if each.metadata.get("omixa_attempt") == attempt.idempotency_key), None)
