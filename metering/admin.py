"""Gathers the operator console's pages of this app for Django."""

from metering.dashboards.console import (
    batches,
    catalogue,
    credit_notes,
    credits,
    customers,
    events,
    invoices,
    jobs,
    payments,
    prices,
    quarantine,
    rerating,
    schedule,
    signin,
)

__all__ = [
    "batches",
    "catalogue",
    "credit_notes",
    "credits",
    "customers",
    "events",
    "invoices",
    "jobs",
    "payments",
    "prices",
    "quarantine",
    "rerating",
    "schedule",
    "signin",
]
