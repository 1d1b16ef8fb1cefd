"""What each process remembers of names, so that a decision asks the database once: whose a key is, and what a model is called.

Whose a key is never changes; everything that does, such as whether it still works, is asked in the decision itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from metering.catalogue.models import LanguageModel, PriceVersion
from workspaces.models import APIKey, Credential

MOST = 100_000  # of each kind
SECONDS = 5  # a model may be listed, or given an alias, meanwhile

FOR_EVER = 10**9

T = TypeVar("T")
Name = TypeVar("Name")


class KnownKey(NamedTuple):
    """Primary keys."""

    key_id: int
    workspace_id: int


class KnownModel(NamedTuple):
    """A model's primary key, and the most tokens of output that it writes; None where the catalogue does not say."""

    model_id: int
    max_output_tokens: int | None


@dataclass
class Remembered(Generic[Name, T]):
    """Answers of `find`, for `seconds`; None is an answer, and is not remembered."""

    find: Callable[[Name], T | None]
    seconds: int = FOR_EVER
    found: dict[Name, tuple[int, T]] = field(default_factory=dict)

    def __call__(self, name: Name) -> T | None:
        now = int(time.monotonic())
        kept = self.found.get(name)
        if kept is not None and now - kept[0] < self.seconds:
            return kept[1]
        answer = self.find(name)
        if answer is not None:
            if len(self.found) >= MOST:
                self.found.clear()
            self.found[name] = (now, answer)
        return answer


def _key_of_secret(sha256: bytes) -> KnownKey | None:
    found = Credential.objects.filter(sha256=sha256, api_key__isnull=False)
    row = found.values_list("api_key_id", "api_key__workspace_id").first()
    return None if row is None else KnownKey(*row)


def _key_of_id(public_id: str) -> KnownKey | None:
    row = APIKey.objects.filter(public_id=public_id).values_list("id", "workspace_id").first()
    return None if row is None else KnownKey(*row)


def _model(slug: str) -> KnownModel | None:
    row = LanguageModel.objects.filter(slug=slug).values_list("id", "max_output_tokens").first()
    return None if row is None else KnownModel(*row)


def _price(pk: int) -> str | None:
    return PriceVersion.objects.filter(pk=pk).values_list("public_id", flat=True).first()


key_of_secret = Remembered(_key_of_secret)
key_of_id = Remembered(_key_of_id)
model_named = Remembered(_model, SECONDS)
price_public_id = Remembered(_price)


def forget_known() -> None:
    """Everything, as a process that has just started."""
    for remembered in (key_of_secret, key_of_id, model_named, price_public_id):
        remembered.found.clear()
