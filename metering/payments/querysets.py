"""What is asked of attempts, payments, refunds and disputes in more than one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from metering.payments.models import Dispute, Payment, PaymentAttempt, Refund  # noqa: F401 - type parameters, as texts


class PaymentAttemptQuerySet(models.QuerySet["PaymentAttempt"]):
    def unsettled(self) -> Self:
        """Those that may still collect money."""
        return self.filter(status__in=self.model.UNSETTLED)


class PaymentQuerySet(models.QuerySet["Payment"]):
    def surplus(self) -> Self:
        """Those that settle nothing: worded as the partial index is, so that it answers."""
        return self.filter(invoice__isnull=True, grant__isnull=True)


class RefundQuerySet(models.QuerySet["Refund"]):
    def unsettled(self) -> Self:
        """Those whose money may still be on its way."""
        return self.filter(status__in=self.model.UNSETTLED)

    def external(self) -> Self:
        """Those that were made at the provider, and not asked for here."""
        return self.filter(origin=self.model.Origin.PROVIDER)


class DisputeQuerySet(models.QuerySet["Dispute"]):
    def running(self) -> Self:
        """Those in which a bank asks the money back now."""
        return self.filter(status__in=self.model.RUNNING)

    def unresolved(self) -> Self:
        """Those that are not over: the running ones, and warnings that may become such."""
        return self.exclude(status__in=self.model.OVER)
