"""Gathers the stages' tables for Django."""

from metering.alerts.models import AlertSettings
from metering.catalogue.imports.models import ImportedPrice, PriceImport
from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.providers.models import ProviderPrice
from metering.credits.models import CreditEntry, CreditGrant, CreditTransfer
from metering.ingest.models import Batch, EventCorrection, EventIdentity, Provider, QuarantinedEvent, ServiceTier, UsageEvent
from metering.ingest.understanding.models import UnknownPath, UsageRule
from metering.invoicing.credit_notes.models import CreditNote, CreditNoteLine, SettledAdjustment
from metering.invoicing.documents.models import IssuedPdf
from metering.invoicing.fees.models import AgreedFee, ManualLine, RecurringFee
from metering.invoicing.lifecycle.models import AcceptedTakeBack
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.numbering import InvoiceSequence
from metering.invoicing.terms.models import AgreedPricing, BillingTerms, TaxRate
from metering.jobs.models import JobOrder, JobRun
from metering.journal.models import JournalBalance, JournalEntry, JournalPosting, LockedPeriod
from metering.limits.models import (
    BalanceCrossing,
    Budget,
    BudgetHeld,
    BudgetWindow,
    Hold,
    HoldDay,
    LimitAccount,
    RefusedRequests,
    ThresholdCrossing,
)
from metering.notifications.models import (
    Notification,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
)
from metering.offboarding.models import ClosedWorkspace
from metering.operator_api.models import OperatorRequest
from metering.payments.mails.models import Notice
from metering.payments.models import (
    Dispute,
    Dunning,
    IdempotencyKey,
    Payment,
    PaymentAccount,
    PaymentAttempt,
    Refund,
    TopUp,
)
from metering.payments.provider.models import StripeKey
from metering.payments.refunds.models import KeptPayment, Payout, ReopenedAmount
from metering.payments.webhooks.models import WebhookEvent
from metering.rollups.models import (
    DailyMargin,
    DailyQuantity,
    DailyRollup,
    HourlyQuantity,
    HourlyRollup,
    Rerating,
    SettledUsage,
)

__all__ = [
    "AcceptedTakeBack",
    "AgreedFee",
    "AgreedPricing",
    "AlertSettings",
    "BalanceCrossing",
    "Batch",
    "BillingTerms",
    "Budget",
    "BudgetHeld",
    "BudgetWindow",
    "ClosedWorkspace",
    "CreditEntry",
    "CreditGrant",
    "CreditNote",
    "CreditNoteLine",
    "CreditTransfer",
    "DailyMargin",
    "DailyQuantity",
    "DailyRollup",
    "Dispute",
    "Dunning",
    "EventCorrection",
    "EventIdentity",
    "Hold",
    "HoldDay",
    "HourlyQuantity",
    "HourlyRollup",
    "IdempotencyKey",
    "ImportedPrice",
    "Invoice",
    "InvoiceLine",
    "InvoiceSequence",
    "IssuedPdf",
    "JobOrder",
    "JobRun",
    "JournalBalance",
    "JournalEntry",
    "JournalPosting",
    "KeptPayment",
    "LanguageModel",
    "LimitAccount",
    "LockedPeriod",
    "ManualLine",
    "Notice",
    "Notification",
    "OperatorRequest",
    "Payment",
    "PaymentAccount",
    "PaymentAttempt",
    "Payout",
    "PriceImport",
    "PriceVersion",
    "Provider",
    "ProviderPrice",
    "QuarantinedEvent",
    "RecurringFee",
    "Refund",
    "RefusedRequests",
    "ReopenedAmount",
    "Rerating",
    "ServiceTier",
    "SettledAdjustment",
    "SettledUsage",
    "StripeKey",
    "TaxRate",
    "ThresholdCrossing",
    "TopUp",
    "UnknownPath",
    "UsageEvent",
    "UsageRule",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookSecret",
]
