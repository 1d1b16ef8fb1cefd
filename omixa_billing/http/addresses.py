"""Addresses and methods that more than one part of the product asks about."""

# Where the operators' console is.
CONSOLE = "/admin/"
READING = frozenset({"GET", "HEAD"})
# Change nothing, by RFC 9110.
SAFE = READING | {"OPTIONS", "TRACE"}
