"""Two customers with keys, and events sent for them on the fixed day."""

from tests.kit.days import fixed_day
from tests.kit.tenants import acme, rival, sender

__all__ = ["acme", "fixed_day", "rival", "sender"]
