"""A usage object as its leaves: each number and each text by its path, so that no number can be overlooked.

`prompt_tokens_details.cached_tokens` is a path. Of a list of objects that say what they are by a `modality`, a `type` or a
`ttl`, that is in the path, and equal ones are added up: `promptTokensDetails[AUDIO].tokenCount`. In other lists it is `[]`.
A name that could be taken for a path is in quotes in it: `"a.b"`.
"""

import json
import re
from decimal import Decimal
from typing import Any

Number = int | Decimal  # what has a fraction is read with all its digits

TELLING = ("modality", "type", "ttl")  # fields of a list's objects that say what kind each is
DEEPEST = 16
LONGEST_PATH = 200
LARGEST_EXPONENT = 60  # of a number with a fraction, as a power of ten
# What a name cannot have and be read as a path: no provider's has any of it.
STRANGE = re.compile(r'[.\[\]"\x00-\x1f\x7f]')


class Implausible(Exception):
    """No provider states usage like this."""


class Usage:
    """What an object states; null is the same as leaving it out."""

    __slots__ = ("asked", "flags", "lists", "numbers", "objects", "stated", "texts")

    def __init__(self, stated: dict[str, Any]) -> None:
        self.numbers: dict[str, Number] = {}
        self.texts: dict[str, str] = {}
        self.flags: dict[str, bool] = {}
        self.lists: set[str] = set()
        self.stated: set[str] = set()  # paths of all of these
        self.objects: set[str] = set()  # with a dot at their end, those that hold a number
        # The paths that a dialect looked at: what it says it counts, and did not look at, it has not counted.
        self.asked: set[str] = set()
        self._object(stated, "", 0)

    def get(self, path: str) -> int | None:
        """A count. Only a path that is one in the dialect of the object is asked for: those are whole numbers by then."""
        self.asked.add(path)
        return self.numbers.get(path)  # type: ignore[return-value]

    def of(self, path: str) -> int:
        """A count, and 0 where none is stated."""
        self.asked.add(path)
        return self.numbers.get(path, 0)  # type: ignore[return-value]

    def amount(self, path: str) -> Number:
        """The same of what may have a fraction, such as seconds."""
        self.asked.add(path)
        return self.numbers.get(path, 0)

    def states_any(self) -> bool:
        """Whether any number is above zero."""
        return any(self.numbers.values()) or any(map(is_number_above_zero, self.texts.values()))

    def states(self, *paths: str) -> bool:
        """Whether any of these is there, be it 0."""
        return not self.stated.isdisjoint(paths)

    def under(self, *objects: str) -> bool:
        """Whether any number is in one of these objects, be it 0. They are named with a dot at their end."""
        return not self.objects.isdisjoint(objects)

    def _object(self, stated: dict[str, Any], prefix: str, depth: int) -> None:
        if depth > DEEPEST:
            raise Implausible("usage is nested deeper than any provider's.")
        before = len(self.numbers)
        for name, value in stated.items():
            path = prefix + (name if name.isidentifier() else in_path(name))
            if type(value) is int and path not in self.numbers:  # as most are
                self.numbers[path] = value
                self.stated.add(path)
            else:
                self._value(value, path, depth)
        if len(self.numbers) > before:
            self.objects.add(prefix)

    def _value(self, value: Any, path: str, depth: int) -> None:
        kind = type(value)
        if kind is int or kind is Decimal:
            if kind is Decimal and value and abs(value.adjusted()) > LARGEST_EXPONENT:
                raise Implausible(f"usage.{path} is too large or too small to be a count.")
            self.numbers[path] = added_up(self.numbers.get(path), value)
            self.stated.add(path)
        elif kind is dict:
            self._object(value, f"{path}.", depth + 1)
        elif kind is list:
            self._list(value, path, depth + 1)
        elif kind is str:
            self._text(value, path)
            self.stated.add(path)
        elif kind is bool:
            self.flags[path] = value
            self.stated.add(path)

    def _text(self, text: str, path: str) -> None:
        """Numbers that are written as texts are added up as others are."""
        other = number_of(self.texts.get(path, ""))
        number = number_of(text)
        if number is None or other is None:
            if number is not None or path not in self.texts:
                self.texts[path] = text
            return
        if max(abs(number.adjusted()), abs(other.adjusted())) > LARGEST_EXPONENT:
            raise Implausible(f"usage.{path} is too large or too small to be a count.")
        self.texts[path] = str(added_up(other, number))

    def _list(self, stated: list[Any], path: str, depth: int) -> None:
        if depth > DEEPEST:
            raise Implausible("usage is nested deeper than any provider's.")
        self.lists.add(path)
        for value in stated:
            if isinstance(value, dict):
                telling = next((name for name in TELLING if isinstance(value.get(name), str)), None)
                sort = "" if telling is None else in_path(value[telling][:40])
                rest = {name: inside for name, inside in value.items() if not sort or name != telling}
                self._object(rest, f"{path}[{sort}].", depth)
            else:
                self._value(value, f"{path}[]", depth)


def added_up(other: Number | None, number: Number) -> Number:
    """Equal paths of a list are added up, and a number below zero is not hidden by another."""
    if other is None:
        return number
    return min(other, number) if other < 0 or number < 0 else other + number


def in_path(name: str) -> str:
    return json.dumps(name, ensure_ascii=False) if STRANGE.search(name) else name


NUMBER = re.compile(r"\s*[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?\s*", re.ASCII)


def is_number_above_zero(text: str) -> bool:
    """Whether a text is a number, as some proxies write them, and not 0."""
    return NUMBER.fullmatch(text) is not None and any(digit in "123456789" for digit in re.split("[eE]", text)[0])


def number_of(text: str) -> Decimal | None:
    """The number that a text is; None where it is 0 or none."""
    return Decimal(text.strip()) if is_number_above_zero(text) else None
