"""Values as queries and bodies give them: strict, so that another type is an error and no guess."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from metering.money import WIDE
from omixa_billing.instants import FIRST_INSTANT, LAST_INSTANT, parse_instant

PLAIN_DECIMAL = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)
WHOLE_CALENDAR = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


class InstantField(serializers.DateTimeField):
    """RFC 3339 with a zone, as UTC; from 1970 to 2200, as usage is, unless `any_year`."""

    def __init__(self, *, any_year: bool = False, **extra: Any) -> None:
        super().__init__(**extra)
        self.bounds = WHOLE_CALENDAR if any_year else (FIRST_INSTANT, LAST_INSTANT)

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return parse_instant(str(value), *self.bounds)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


class NamesField(serializers.ListField):
    """Any of several names: the parameter repeated."""

    def __init__(self, **extra: Any) -> None:
        child = serializers.CharField(max_length=512, trim_whitespace=False, allow_blank=True)
        super().__init__(child=child, required=False, **extra)


class WordsField(serializers.ListField):
    """Any of a few known words: the parameter repeated, or with commas."""

    def __init__(self, words: tuple[str, ...], **extra: Any) -> None:
        super().__init__(child=serializers.ChoiceField(choices=words), required=False, **extra)

    def to_internal_value(self, data: Any) -> list[Any]:
        return super().to_internal_value([word.strip() for text in data for word in text.split(",") if word.strip()])


class StrictText(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictInteger(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictDecimal(serializers.DecimalField):
    """Digits as this documentation writes them, as text or as a number: no exponent, separator or other script's digits, which
    Python would take.
    """

    def to_internal_value(self, data: Any) -> Any:
        if PLAIN_DECIMAL.fullmatch(str(data)) is None:
            self.fail("invalid")
        return super().to_internal_value(data)


class FlagField(serializers.ChoiceField):
    """`true` or `false`. One that is absent is neither, which the framework's own takes for false in a query."""

    def __init__(self, **extra: Any) -> None:
        super().__init__(choices=("true", "false"), required=False, **extra)

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(data) == "true"


class UnixTimeField(serializers.IntegerField):
    """Seconds since 1970, as UTC; up to 2200, as usage is."""

    def to_internal_value(self, value: Any) -> Any:
        seconds, last = super().to_internal_value(value), int(LAST_INSTANT.timestamp())
        if not 0 <= seconds <= last:
            raise serializers.ValidationError(f"{seconds} is not a time: it is in seconds since 1970, at most {last}.")
        return datetime.fromtimestamp(seconds, UTC)


def json_number(amount: Decimal) -> Decimal:
    """An amount for clients of other products' APIs, which read JSON numbers: exact, in as few digits as that takes.

    Goes out by ExactJSONRenderer. Our own amounts are decimal strings.
    """
    return Decimal(format(amount.normalize(WIDE), "f"))


def fields_after(name: str, declared: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """A serializer's fields with more of them behind the one of that name, for those that a list elsewhere names."""
    at = list(declared).index(name) + 1
    fields = list(declared.items())
    return dict([*fields[:at], *more.items(), *fields[at:]])
