"""Addresses and methods that more than one part of the product asks about."""

# Where other companies' programs tell of something, signed: none of them has a key of ours.
FROM_PROVIDERS = ("/webhooks/", "/secret-scanning")
# Where the operators' console is.
CONSOLE = "/admin/"
READING = frozenset({"GET", "HEAD"})
# What programs of customers call: the API, and those of other products that it answers alike (metering/compatible).
OPENAI, OPENROUTER, ANTHROPIC = "/v1/", "/compat/openrouter/", "/compat/anthropic/"
COMPATIBLE = (OPENAI, "/compat/")
API = ("/api/", *COMPATIBLE)
# Change nothing, by RFC 9110.
SAFE = READING | {"OPTIONS", "TRACE"}
