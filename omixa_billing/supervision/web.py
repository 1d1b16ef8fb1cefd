"""The ASGI application as granian's worker processes import it: they end with their granian, however that ends."""

import resource

from omixa_billing import wsgi  # sets Django up
from omixa_billing.embedded.deathsig import die_with_parent
from omixa_billing.front.application import Front

from .memory import collect_rarely

__all__ = ["application", "wsgi"]

die_with_parent()
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # connections that wait are many
application = Front()
collect_rarely()
