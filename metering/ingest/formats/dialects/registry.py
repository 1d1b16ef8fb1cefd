"""The dialects that are understood, and the one object in which the fields of all of them are read.

A dialect is a file of this folder and its line in DIALECTS, in the order in which the API's document lists them.
"""

from typing import TYPE_CHECKING, Literal

import msgspec

from metering.components import Counts, Reading
from metering.ingest.formats.dialects import anthropic, gemini, openai_chat, openai_responses, xai
from metering.ingest.formats.dialects.merged import merged_struct
from metering.ingest.formats.dialects.shape import Dialect, UsageRefused

DIALECTS = (
    openai_chat.DIALECT,
    openai_responses.DIALECT,
    anthropic.DIALECT,
    gemini.DIALECT,
    xai.DIALECT,
)
DIALECT_NAMES = tuple(each.name for each in DIALECTS)
BY_NAME = {each.name: each for each in DIALECTS}
BY_PRECEDENCE = sorted(DIALECTS, key=lambda each: -each.precedence)
_recognisers = [(each.recognises, each) for each in BY_PRECEDENCE]  # every event that names no dialect asks them

if TYPE_CHECKING:
    DialectName = str
    ProviderUsage = msgspec.Struct
else:
    DialectName = Literal[DIALECT_NAMES]
    # Its fields come in the order of the dialects, which for the most frequent one is the order in which they are sent:
    # the decoder rewards it.
    ProviderUsage = merged_struct("ProviderUsage", [each.usage for each in DIALECTS])


def count_tokens(usage: ProviderUsage, dialect: DialectName | None) -> Counts | Reading:
    """What a usage object states: Counts where they say it all. Raises UsageRefused."""
    return (_recognised(usage) if dialect is None else BY_NAME[dialect]).count(usage)


def infer(usage: ProviderUsage) -> DialectName:
    """The dialect of a usage object that names none. Raises UsageRefused where the shape leaves a doubt."""
    return _recognised(usage).name


def _recognised(usage: ProviderUsage) -> Dialect:
    for recognises, dialect in _recognisers:
        if recognises(usage):
            return dialect
    raise UsageRefused("usage_missing", "The usage object has no token counts: a billed event must say what it used.")
