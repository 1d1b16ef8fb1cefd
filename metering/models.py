"""Gathers the stages' tables for Django."""

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.ingest.models import Batch, EventIdentity, Provider, QuarantinedEvent, ServiceTier, UsageEvent
from metering.invoicing.models import Invoice, InvoiceLine, InvoiceSequence
from metering.rollups.models import DailyRollup, HourlyRollup

__all__ = [
    "Batch",
    "DailyRollup",
    "EventIdentity",
    "HourlyRollup",
    "Invoice",
    "InvoiceLine",
    "InvoiceSequence",
    "LanguageModel",
    "PriceVersion",
    "Provider",
    "QuarantinedEvent",
    "ServiceTier",
    "UsageEvent",
]
