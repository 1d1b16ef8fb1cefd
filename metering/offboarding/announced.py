"""Notifying programs of a closing, in the transaction that closes the workspace."""

from datetime import datetime

from metering.notifications.announce import announce
from metering.offboarding.as_json import closed_json
from metering.offboarding.models import ClosedWorkspace

# Their reason, and what they still have to decide.
FOR_OPERATORS = ("reason", "waiting_for_reissue")


def announce_closing(closed: ClosedWorkspace, now: datetime) -> None:
    """What operators are answered, without what the mail to the customer does not state either."""
    data = {name: value for name, value in closed_json(closed).items() if name not in FOR_OPERATORS}
    announce(closed.workspace, "workspace.closed", f"workspace.closed:{closed.workspace.public_id}", data, now)
