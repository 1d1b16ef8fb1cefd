"""The WSGI application behind the front, as granian's worker processes import it."""

import os

from omixa_billing.embedded.deathsig import die_with_parent
from omixa_billing.front.socket import behind_front
from omixa_billing.wsgi import application as django

from .memory import collect_rarely

__all__ = ["application"]

POLITENESS = 10  # where there are too few processors for all, gateways come first, then workers (worker.py)

die_with_parent()
os.nice(POLITENESS)
application = behind_front(django)
collect_rarely()
