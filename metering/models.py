"""Gathers the stages' tables for Django."""

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.ingest.models import Batch, EventCorrection, EventIdentity, Provider, QuarantinedEvent, ServiceTier, UsageEvent
from metering.invoicing.models import Invoice, InvoiceLine, InvoiceSequence
from metering.rollups.models import DailyRollup, HourlyRollup, Rerating

__all__ = [
    "Batch",
    "DailyRollup",
    "EventCorrection",
    "EventIdentity",
    "HourlyRollup",
    "Invoice",
    "InvoiceLine",
    "InvoiceSequence",
    "LanguageModel",
    "PriceVersion",
    "Provider",
    "QuarantinedEvent",
    "Rerating",
    "ServiceTier",
    "UsageEvent",
]
