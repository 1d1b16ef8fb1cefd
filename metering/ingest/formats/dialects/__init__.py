"""What a provider's `usage` object means: one canonical count, checked against the stated total, never clamped.

Where a provider's parts cannot agree with its total, or two shapes in one object with each other, nobody knows what was used:
the event is refused with the sentence that says so, and an operator decides.
"""

from metering.ingest.formats.dialects.registry import DIALECT_NAMES, DialectName, ProviderUsage, count_tokens, infer
from metering.ingest.formats.dialects.shape import MAX_TOKENS, UsageRefused

__all__ = ["DIALECT_NAMES", "MAX_TOKENS", "DialectName", "ProviderUsage", "UsageRefused", "count_tokens", "infer"]
