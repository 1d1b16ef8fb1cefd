"""Every setting of the product, read once from the environment (and `.env`) with django-environ: one surface, in rooms."""

from metering.console.config import UNFOLD as UNFOLD
from omixa_billing.settings.addresses import *
from omixa_billing.settings.billing import *
from omixa_billing.settings.callers import *
from omixa_billing.settings.environment import *
from omixa_billing.settings.environment import env
from omixa_billing.settings.framework import *
from omixa_billing.settings.gateways import *
from omixa_billing.settings.logs import *
from omixa_billing.settings.mails import *
from omixa_billing.settings.people import *
from omixa_billing.settings.storage import *
from omixa_billing.settings.work import *

SETTINGS_READ = env.refuse_faults()  # their names: the audit trail tells which changed between two starts
