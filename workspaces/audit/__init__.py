"""The audit trail: who did what, from where. Its entries are a chain, so that touching one of them shows."""

from workspaces.audit.entries import record, record_many, record_once

__all__ = ["record", "record_many", "record_once"]
