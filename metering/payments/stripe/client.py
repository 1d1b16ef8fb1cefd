"""The only module that speaks to Stripe: what `provider/protocol.py` asks for, by Stripe's API. One method is one call; amounts
are Decimals here and whole cents on the wire.

Beside money, its answers are of three kinds. A decline, of a bank's or of a method that cannot be used, is the customer's. What
leaves the outcome unknown, a timeout, a lost connection, a 5xx, is ProviderUnavailable: the caller asks again under the same
idempotency key, or looks for what was made. Everything else that Stripe refuses, a wrong key, a parameter, a method that is not
enabled, is ours to put right: ProviderRefused, which settles nothing. Source: Stripe's API reference and its error codes.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

import stripe
from django.conf import settings
from django.db import connection

from metering.payments.models import PaymentAttempt
from metering.payments.provider.errors import (
    ForgedWebhook,
    MethodUnusable,
    ProviderRefused,
    ProviderUnavailable,
    RefundImpossible,
)
from metering.payments.provider.objects import Claim, Intent, Method, ProviderRefund, Session, Setup
from metering.payments.stripe.objects import (
    claim_of,
    intent_of,
    method_of,
    object_metadata,
    refund_of,
    session_of,
    setup_of,
    wire,
)
from metering.payments.stripe.requests import charge_of, page_request

TOLERANCE_SECONDS = 300
PAGE = 100
# Said of a method, or of a customer, that no payment can be made with any more; other codes say that we asked wrongly.
UNUSABLE = {
    "payment_method_unactivated",
    "payment_method_unexpected_state",
    "bank_account_unusable",
    "bank_account_unverified",
    "payment_intent_mandate_invalid",
}
# Said of a method that was detached, without a code.
DETACHED = "may not be used again"
# Said of a payment of which nothing more can be given back; other refusals of a refund are ours to put right.
NO_REFUND = {
    "amount_too_large",
    "charge_already_refunded",
    "charge_disputed",
    "charge_not_refundable",
    "refund_disputed_payment",
}


def stripe_edge() -> "StripeEdge":
    return _edge(
        settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE, settings.STRIPE_TIMEOUT_SECONDS, settings.STRIPE_MAX_RETRIES
    )


@lru_cache(maxsize=4)
def _edge(key: str, base: str, timeout: int, retries: int) -> "StripeEdge":
    return StripeEdge(key, base, timeout, retries)


def verify_webhook(payload: bytes, signature: str) -> dict[str, Any]:
    """The event, as sent. Raises ForgedWebhook, also for what was signed more than five minutes ago."""
    try:
        event = stripe.Webhook.construct_event(payload, signature, settings.STRIPE_WEBHOOK_SECRET, TOLERANCE_SECONDS)
    except stripe.SignatureVerificationError as error:
        raise ForgedWebhook(_why_refused(str(error), signature)) from None
    except ValueError:
        raise ForgedWebhook("the body is not JSON.") from None
    sent: dict[str, Any] = event.to_dict()
    return sent


def _why_refused(provider_message: str, signature: str) -> str:
    """Why a webhook was refused, in our words: the library's messages advise to skip the check."""
    if not signature:
        return "the header Stripe-Signature is missing."
    if "tolerance" in provider_message:
        return f"it was signed more than {TOLERANCE_SECONDS} seconds ago."
    return "the header Stripe-Signature does not fit the body and STRIPE_WEBHOOK_SECRET."


class StripeEdge:
    """Stripe's API at a pinned version."""

    def __init__(self, key: str, base: str, timeout: int, retries: int) -> None:
        addresses: Any = {"api": base} if base else {}
        self._client = stripe.StripeClient(
            key,
            stripe_version=settings.STRIPE_API_VERSION,
            base_addresses=addresses,
            max_network_retries=retries,
            http_client=stripe.RequestsClient(timeout=timeout),
        )

    def charge_request(self, attempt: PaymentAttempt) -> dict[str, Any]:
        return charge_of(attempt)

    def page_request(self, attempt: PaymentAttempt) -> dict[str, Any]:
        return page_request(attempt)

    def create_customer(self, workspace_id: str, key: str) -> str:
        """The new customer's id. Nothing that may change is asked for, so that the key may be used again."""
        asked = {"metadata": {"omixa_workspace": workspace_id}}
        customer = self._ask(lambda v1: v1.customers.create(asked, {"idempotency_key": key}))
        return str(customer.id)

    def describe_customer(self, customer: str, name: str, email: str) -> None:
        """Raises ProviderRefused for an address that Stripe does not take."""
        asked = {"name": name} | ({"email": email} if email else {})
        self._ask(lambda v1: v1.customers.update(customer, asked))

    def find_customers(self, workspace_id: str) -> list[str]:
        """Ids of the customers made for the workspace, by search: what is a minute old may be missing."""
        query = {"query": f"metadata['omixa_workspace']:'{workspace_id}'"}
        return [str(each.id) for each in self._ask(lambda v1: v1.customers.search(query)).data]

    def list_customers(self, workspace_id: str, since: datetime) -> list[str]:
        """Ids as of `find_customers`, of those made since: complete at once, a page of all customers a call."""
        made = self._pages("customers", {"created": {"gte": int(since.timestamp())}})
        return [str(each.id) for each in made if object_metadata(each).get("omixa_workspace") == workspace_id]

    def knows_customer(self, customer: str) -> bool:
        """Stripe remembers those that were deleted too; it does not know those of another account, or of its other mode."""
        try:
            self._ask(lambda v1: v1.customers.retrieve(customer))
        except ProviderRefused as refused:
            if refused.reason != "resource_missing":
                raise
            return False
        return True

    def open_setup_page(self, customer: str, success_url: str, cancel_url: str, key: str) -> Session:
        asked = {
            "mode": "setup",
            "customer": customer,
            "currency": "usd",
            "payment_method_types": list(settings.STRIPE_PAYMENT_METHODS),
            "success_url": success_url,
            "cancel_url": cancel_url,
        }
        return session_of(self._ask(lambda v1: v1.checkout.sessions.create(asked, {"idempotency_key": key})))

    def open_payment_page(self, asked: Mapping[str, Any], key: str) -> Session:
        return session_of(self._ask(lambda v1: v1.checkout.sessions.create(dict(asked), {"idempotency_key": key})))

    def look_up_page(self, session_id: str) -> Session:
        return session_of(self._ask(lambda v1: v1.checkout.sessions.retrieve(session_id)))

    def close_page(self, session_id: str) -> Session:
        """Raises ProviderRefused when it is not open any more."""
        return session_of(self._ask(lambda v1: v1.checkout.sessions.expire(session_id)))

    def look_up_setup(self, setup_intent: str) -> Setup:
        return setup_of(self._ask(lambda v1: v1.setup_intents.retrieve(setup_intent)))

    def look_up_method(self, method: str) -> Method:
        return method_of(self._ask(lambda v1: v1.payment_methods.retrieve(method)))

    def set_default_method(self, customer: str, method: str) -> None:
        asked = {"invoice_settings": {"default_payment_method": method}}
        self._ask(lambda v1: v1.customers.update(customer, asked))

    def charge_saved_method(self, asked: Mapping[str, Any], key: str) -> Intent:
        """A decline is an Intent with its code and message. Raises MethodUnusable where nothing was made."""
        try:
            return intent_of(self._ask(lambda v1: v1.payment_intents.create(dict(asked), {"idempotency_key": key})))
        except _Declined as declined:
            return declined.intent

    def look_up_payment(self, intent: str) -> Intent:
        return intent_of(self._ask(lambda v1: v1.payment_intents.retrieve(intent, {"expand": ["latest_charge"]})))

    def list_payments(self, since: datetime, customer: str = "") -> Iterator[Intent]:
        """Newest first, a page a call; complete at once, where search is not."""
        asked: dict[str, Any] = {"created": {"gte": int(since.timestamp())}, "expand": ["data.latest_charge"]}
        asked |= {"customer": customer} if customer else {}
        return (intent_of(each) for each in self._pages("payment_intents", asked))

    def cancel_payment(self, intent: str) -> Intent:
        """Raises ProviderRefused when it cannot be canceled any more. Without a key: it is canceled once anyway."""
        return intent_of(self._ask(lambda v1: v1.payment_intents.cancel(intent)))

    def refund_payment(
        self, intent: str, amount: Decimal, currency: str, metadata: Mapping[str, str], key: str
    ) -> ProviderRefund:
        asked = {"payment_intent": intent, "amount": wire(amount, currency), "metadata": dict(metadata)}
        try:
            return refund_of(self._ask(lambda v1: v1.refunds.create(asked, {"idempotency_key": key})))
        except ProviderRefused as refused:
            if refused.reason in NO_REFUND:
                raise RefundImpossible(refused.provider_message, refused.reason) from None
            raise

    def look_up_refund(self, refund: str) -> ProviderRefund:
        return refund_of(self._ask(lambda v1: v1.refunds.retrieve(refund)))

    def refunds_of(self, intent: str) -> list[ProviderRefund]:
        return [refund_of(each) for each in self._pages("refunds", {"payment_intent": intent})]

    def list_refunds(self, since: datetime) -> Iterator[ProviderRefund]:
        """Newest first, a page a call."""
        return (refund_of(each) for each in self._pages("refunds", {"created": {"gte": int(since.timestamp())}}))

    def look_up_dispute(self, dispute: str) -> Claim:
        return claim_of(self._ask(lambda v1: v1.disputes.retrieve(dispute)))

    def list_disputes(self, since: datetime) -> Iterator[Claim]:
        """Newest first, a page a call."""
        return (claim_of(each) for each in self._pages("disputes", {"created": {"gte": int(since.timestamp())}}))

    def _pages(self, kind: str, asked: dict[str, Any]) -> Iterator[Any]:
        """Every object of a list, in the order that Stripe gives them."""
        asked = {"limit": PAGE} | asked
        more = True
        while more:
            page = self._ask(partial(_list, kind, asked))
            yield from page.data
            more = bool(page.has_more and page.data)
            asked = asked | {"starting_after": page.data[-1].id if page.data else ""}

    def _ask(self, call: Any) -> Any:
        _refuse_in_transaction()
        try:
            return call(self._client.v1)
        except stripe.CardError as error:
            raise _declined(error) from None
        except (stripe.APIConnectionError, stripe.RateLimitError) as error:
            raise ProviderUnavailable(str(error)) from None
        except stripe.IdempotencyError as error:
            raise ProviderRefused(str(error), "idempotency_error", spends_key=True) from None
        except stripe.StripeError as error:
            if error.http_status is None or error.http_status >= 500 or error.http_status == 409:
                raise ProviderUnavailable(str(error), answered=(error.http_status or 0) >= 500) from None
            raise _refused(error) from None


def _list(kind: str, asked: dict[str, Any], v1: Any) -> Any:
    return getattr(v1, kind).list(asked)


def _declined(error: stripe.CardError) -> Exception:
    provider_message = str(error.user_message or "")
    intent = getattr(error.error, "payment_intent", None)
    code = str(getattr(error.error, "decline_code", None) or error.code or "card_declined")
    if intent is None:
        return MethodUnusable(provider_message, code, is_the_banks=True)
    return _Declined(intent_of(intent, "declined", code, provider_message))


def _refused(error: stripe.StripeError) -> ProviderRefused:
    provider_message, code = str(error.user_message or error), str(error.code or "")
    missing = code == "resource_missing" and getattr(error, "param", None) in ("payment_method", "customer")
    if code in UNUSABLE or missing or DETACHED in provider_message:
        return MethodUnusable(provider_message, code or "payment_method_detached", is_unknown=code == "resource_missing")
    return ProviderRefused(provider_message, code)


class _Declined(Exception):
    def __init__(self, intent: Intent) -> None:
        super().__init__(intent.message)
        self.intent = intent


def _refuse_in_transaction() -> None:
    """A call may last half a minute and must not hold a lock, nor be undone with one. A test's own transaction is none."""
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise RuntimeError("Stripe is called inside an open database transaction")
