"""Logs: one JSON object a line, without secrets."""

from omixa_billing.log_lines import logging_settings
from omixa_billing.settings.environment import env

DEFAULT_EXCEPTION_REPORTER = "omixa_billing.stray_secrets.RedactingReporter"

LOGGING = logging_settings(env.str("LOG_LEVEL", default="INFO"))
