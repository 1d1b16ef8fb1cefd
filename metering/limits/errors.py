"""What authorising refuses to do at all, each with its code and status. A decision against a request is no refusal."""

from omixa_billing.api.errors import Refusal


class RequestReused(Refusal):
    """A request id that was used for another request."""

    code = "request_id_reused"
    status = 409


class HoldEnded(Refusal):
    """A hold that was settled or released."""

    code = "hold_ended"
    status = 409


class HoldUnknown(Refusal):
    code = "hold_unknown"
    status = 404


class BudgetDeleted(Refusal):
    """A budget that was there when the request began, and is not any more."""

    code = "not_found"
    status = 404


class BalanceUnknown(Refusal):
    """A prepaid balance that is out of date as soon as it is worked out: the clocks of this process and the database differ."""

    code = "balance_unknown"
    status = 503
