"""Invoices, payments, and who sells."""

import re
from decimal import Decimal

from django.core.exceptions import ImproperlyConfigured

from metering.journal.accounts import JournalAccount
from omixa_billing.settings.environment import env


def number_prefix() -> str:
    """What document numbers begin with: with `-CN` for credit notes it still fits its column, a file name and a header."""
    prefix = env.str("INVOICE_NUMBER_PREFIX", default="OMX")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,13}", prefix) or prefix.endswith("-CN"):
        raise ImproperlyConfigured(
            "INVOICE_NUMBER_PREFIX is 1 to 13 letters, digits and dashes, and does not end in -CN, as the prefix of credit "
            f"notes does: {prefix!r} cannot be used."
        )
    return prefix


def journal_accounts() -> dict[str, str]:
    """An operator's own numbers of accounts, by ours: `receivable=1400,tax=1776`."""
    numbers = env.dict("JOURNAL_ACCOUNTS", default={})
    unknown = sorted(set(numbers) - set(JournalAccount))
    if unknown:
        raise ImproperlyConfigured(
            f"JOURNAL_ACCOUNTS names {unknown[0]}, which is not an account: there are {', '.join(JournalAccount)}."
        )
    return numbers


INVOICE_GRACE_DAYS = env.int("INVOICE_GRACE_DAYS", default=3)
# Less than this left to pay is carried to the next invoice: the least that card networks let one charge.
INVOICE_MINIMUM = env.get_value("INVOICE_MINIMUM", cast=Decimal, default=Decimal("0.50"))
# An invoice of so many times the mean of the workspace's last ones, and above the floor in USD, waits for a person.
INVOICE_SAFETY_FACTOR = env.get_value("INVOICE_SAFETY_FACTOR", cast=Decimal, default=Decimal("20"))
INVOICE_SAFETY_FLOOR = env.get_value("INVOICE_SAFETY_FLOOR", cast=Decimal, default=Decimal("1000.00"))
# While a workspace has no invoice to compare with, one above so many USD waits for a person.
INVOICE_SAFETY_CEILING = env.get_value("INVOICE_SAFETY_CEILING", cast=Decimal, default=Decimal("100000.00"))
# Whether a month with unpriced or quarantined events waits for a person instead of closing with a warning.
INVOICE_WAITS_FOR_EVENTS = env.bool("INVOICE_WAITS_FOR_EVENTS", default=False)
INVOICE_DUE_DAYS = env.int("INVOICE_DUE_DAYS", default=14)
# Empty: no Stripe; invoices are then marked as paid by hand.
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="")  # of a test server; empty is Stripe's own
STRIPE_API_VERSION = "2026-10-28.endive"  # what the code was written for; a newer library does not move it
# What customers may save and be charged by, as Stripe calls it; each has to be enabled in the Stripe account.
STRIPE_PAYMENT_METHODS = env.list("STRIPE_PAYMENT_METHODS", default=["card", "us_bank_account"])
# Where its payment pages are, to which forms of ours lead: for a domain of your own in Stripe, that one.
STRIPE_PAGES = env.list("STRIPE_PAGES", default=["https://checkout.stripe.com"])
STRIPE_TIMEOUT_SECONDS = env.int("STRIPE_TIMEOUT_SECONDS", default=20)
STRIPE_MAX_RETRIES = env.int("STRIPE_MAX_RETRIES", default=2)
# Days after the first decline, or after the due day where nothing can be charged.
DUNNING_RETRY_DAYS = env.list("DUNNING_RETRY_DAYS", cast=int, default=[3, 5, 7])
PAYMENT_INSTRUCTIONS = env.str("PAYMENT_INSTRUCTIONS", default="").replace("\\n", "\n")  # how to pay without Stripe
TOP_UP_MINIMUM = env.get_value("TOP_UP_MINIMUM", cast=Decimal, default=Decimal("5.00"))
TOP_UP_MAXIMUM = env.get_value("TOP_UP_MAXIMUM", cast=Decimal, default=Decimal("10000.00"))
# How often a day people and programs of one workspace buy credit; automatic purchases have a bound of their own.
TOP_UPS_PER_DAY = env.int("TOP_UPS_PER_DAY", default=10)
OPERATOR_EMAILS = env.list("OPERATOR_EMAILS", default=[])  # who hears of failed jobs, differences, disputes, surplus money
INVOICE_LOGO = env.str("INVOICE_LOGO", default="")  # an SVG or PNG file
INVOICE_ACCENT_COLOR = env.str("INVOICE_ACCENT_COLOR", default="#2f5bd7")
INVOICE_PAPER = env.str("INVOICE_PAPER", default="a4")
INVOICE_FONTS = env.str("INVOICE_FONTS", default="")  # a folder of fonts for scripts that the product brings none for
INVOICE_NUMBER_PREFIX = env.checked(number_prefix, instead="OMX")
JOURNAL_ACCOUNTS = env.checked(journal_accounts, instead={})  # in exports of the journal
SELLER_NAME = env.str("SELLER_NAME", default="Omixa Cloud")
SELLER_ADDRESS = env.str("SELLER_ADDRESS", default="").replace("\\n", "\n")
SELLER_TAX_ID = env.str("SELLER_TAX_ID", default="")
