"""What this product asks of a payment provider. Each method is one call, outside of any transaction.

What makes something takes an idempotency key: the same key makes it once, and repeats the first answer. Every method may raise
ProviderUnavailable, when the outcome is not known, and ProviderRefused, when nothing happened (`errors.py`).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from metering.payments.models import PaymentAttempt
from metering.payments.provider.objects import Claim, Intent, Method, ProviderRefund, Session, Setup


class PaymentProvider(Protocol):
    # The workspace as a customer.

    def create_customer(self, workspace_id: str, key: str) -> str:
        """The new customer's id."""

    def describe_customer(self, customer: str, name: str, email: str) -> None: ...

    def find_customers(self, workspace_id: str) -> list[str]:
        """Ids of the customers made for the workspace; what is a minute old may be missing."""

    def list_customers(self, workspace_id: str, since: datetime) -> list[str]:
        """Ids as of `find_customers`, of those made since, and complete."""

    def knows_customer(self, customer: str) -> bool: ...

    # Saving a payment method.

    def open_setup_page(self, customer: str, success_url: str, cancel_url: str, key: str) -> Session: ...

    def look_up_setup(self, setup_intent: str) -> Setup: ...

    def look_up_method(self, method: str) -> Method: ...

    def set_default_method(self, customer: str, method: str) -> None: ...

    # Collecting money. What is asked is stored with the attempt first: asked again, it has to be the same word for word.

    def charge_request(self, attempt: PaymentAttempt) -> dict[str, Any]: ...

    def charge_saved_method(self, asked: Mapping[str, Any], key: str) -> Intent:
        """A decline is an Intent with its code and message. Raises MethodUnusable where nothing was made."""

    def page_request(self, attempt: PaymentAttempt) -> dict[str, Any]: ...

    def open_payment_page(self, asked: Mapping[str, Any], key: str) -> Session: ...

    def look_up_page(self, session_id: str) -> Session: ...

    def close_page(self, session_id: str) -> Session:
        """Raises ProviderRefused when it is not open any more."""

    def look_up_payment(self, intent: str) -> Intent: ...

    def list_payments(self, since: datetime, customer: str = "") -> Iterator[Intent]:
        """Newest first, and complete."""

    def cancel_payment(self, intent: str) -> Intent:
        """Raises ProviderRefused when it cannot be canceled any more."""

    # Giving money back.

    def refund_payment(
        self, intent: str, amount: Decimal, currency: str, metadata: Mapping[str, str], key: str
    ) -> ProviderRefund:
        """Raises RefundImpossible where nothing more of the payment can be given back."""

    def look_up_refund(self, refund: str) -> ProviderRefund: ...

    def refunds_of(self, intent: str) -> list[ProviderRefund]: ...

    def list_refunds(self, since: datetime) -> Iterator[ProviderRefund]:
        """Newest first."""

    def look_up_dispute(self, dispute: str) -> Claim: ...

    def list_disputes(self, since: datetime) -> Iterator[Claim]:
        """Newest first."""
