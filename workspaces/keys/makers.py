"""Which keys a person made or holds a secret of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from workspaces.models import APIKey, Credential, User, Workspace


@dataclass(frozen=True)
class KeyChoice:
    """What becomes of a person's keys, by their ids. Not named: admin keys are revoked and the others keep working."""

    revoke: Collection[str] = field(default=frozenset())
    keep: Collection[str] = field(default=frozenset())

    def revokes(self, key: APIKey) -> bool:
        if key.public_id in self.revoke:
            return True
        return key.kind == APIKey.Kind.ADMIN and key.public_id not in self.keep


BY_DEFAULT = KeyChoice()


def choice_offered(keys: Sequence[APIKey]) -> dict[str, Any]:
    """What a form about a person's keys begins with: those ticked that are revoked by default, and all that it shows."""
    revoke = [key.public_id for key in keys if BY_DEFAULT.revokes(key)]
    return {"revoke": revoke, "shown": " ".join(key.public_id for key in keys)}


def choice_sent(form: Mapping[str, Any]) -> KeyChoice:
    """What the form chose. Keys that it did not show, since they are newer, are not chosen: they follow the default."""
    revoke = set(form.get("revoke", ()))
    return KeyChoice(revoke, set(form["shown"].split()) - revoke)


def keys_of_person(workspace: Workspace | None, user: User, now: datetime) -> list[APIKey]:
    """Not revoked, newest first: keys that the person made or was shown a secret of that still works; without a workspace
    those of all.

    An admin key of theirs makes and rotates keys for them, so its keys are theirs too, however often removed.
    """
    keys = APIKey.objects.all() if workspace is None else APIKey.objects.filter(workspace=workspace)
    working = Credential.objects.working(now)
    level = set(keys.filter(Q(created_by=user) | Q(credentials__in=working.filter(given_to=user))).values_list("pk", flat=True))
    found: set[int] = set()
    while level:
        found |= level
        made = Q(created_by_key__in=level) | Q(credentials__in=working.filter(given_to_key__in=level))
        level = set(keys.filter(made).values_list("pk", flat=True)) - found
    return list(keys.unrevoked().filter(pk__in=found).select_related("workspace").order_by("-pk"))
