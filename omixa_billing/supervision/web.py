"""The WSGI application as granian's worker processes import it: they end with their granian, however that ends."""

from omixa_billing.embedded.deathsig import die_with_parent
from omixa_billing.wsgi import application

from .memory import collect_rarely

__all__ = ["application"]

die_with_parent()
collect_rarely()
