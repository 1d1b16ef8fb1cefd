"""The mail that a customer gets of a closing: its last invoices, what became of its credit, and where its documents are."""

from datetime import datetime

from metering.money import cents_text
from metering.offboarding.as_json import closed_json
from metering.offboarding.models import ClosedWorkspace
from metering.payments.mails.outbox import add_notice


def mail_closing(closed: ClosedWorkspace, now: datetime) -> None:
    """In the transaction that closes it. What is due on its invoices is as of then."""
    workspace = closed.workspace
    context = {
        "workspace": workspace.name,
        "closed_on": f"{closed.closed_at:%d %B %Y}",
        "invoices": [
            {"number": str(each["number"]), "total": each["total"], "amount_due": each["amount_due"]}
            for each in closed_json(closed)["invoices"]
        ],
        "refunded": cents_text(closed.refunded),
        "owed": cents_text(closed.owed),
        "expired": cents_text(closed.expired + closed.given_expired),
    }
    add_notice(workspace, "workspace_closed", f"workspace_closed:{workspace.public_id}", context, now)
