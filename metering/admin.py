"""Gathers the operator console's pages of this app for Django."""

from metering.console import customers, signin
from metering.console.jobs import runs, schedule
from metering.console.limits import budgets, holds
from metering.console.money import credit_notes, disputes, invoices, journal, payments
from metering.console.money.workspaces import credits, payouts
from metering.console.prices import catalogue, imports, prices, provider_prices, rerating
from metering.console.quarantine import events as quarantine
from metering.console.quarantine import not_understood
from metering.console.reports import pages as reports
from metering.console.usage import batches, events
from metering.console.webhooks import deliveries, endpoints

__all__ = [
    "batches",
    "budgets",
    "catalogue",
    "credit_notes",
    "credits",
    "customers",
    "deliveries",
    "disputes",
    "endpoints",
    "events",
    "holds",
    "imports",
    "invoices",
    "journal",
    "not_understood",
    "payments",
    "payouts",
    "prices",
    "provider_prices",
    "quarantine",
    "reports",
    "rerating",
    "runs",
    "schedule",
    "signin",
]
