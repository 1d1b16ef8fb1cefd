"""What an admin key may do beside reading, and for how long. A key that is limited never makes a stronger one.

Stronger means: with a scope that the maker lacks, or good for longer than the maker is. A key with every scope, and a
person whose role manages keys, make any key.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import Literal

from django.conf import settings

from workspaces.errors import KeyIsLimited, ScopesNotForKind
from workspaces.models import APIKey


class Expiry(Enum):
    """Says that nobody chose an expiry; None chooses never."""

    USUAL = "usual"


USUAL = Expiry.USUAL
# What forms say of the scopes, for people who make and change keys.
SCOPES_OF_NEW_KEY, SCOPES_OF_KEY = "An admin key may also", "Beside reading, the key may"
NO_SCOPES = "With neither it only reads."
ChosenExpiry = datetime | Literal[Expiry.USUAL] | None


def expiry_of_new_key(kind: str, chosen: ChosenExpiry, maker: APIKey | None, now: datetime) -> datetime | None:
    """As chosen; else never, but for an admin key `ADMIN_KEY_DAYS` from now, and no later than its limited maker."""
    if chosen is not USUAL:
        return chosen
    if kind != APIKey.Kind.ADMIN:
        return None
    usual = None if settings.ADMIN_KEY_DAYS is None else now.replace(microsecond=0) + timedelta(days=settings.ADMIN_KEY_DAYS)
    bound = maker.expires_at if maker is not None and maker.is_limited else None
    return min(filter(None, (usual, bound)), default=None)


def scopes_of_new_key(kind: str, chosen: Iterable[str] | None, maker: APIKey | None) -> list[str]:
    """As chosen; else all that the maker has. Raises ScopesNotForKind."""
    if not has_scopes(kind):
        check_kind_has_scopes(kind, chosen)
        return []
    return in_order(APIKey.Scope.values if maker is None else maker.scopes) if chosen is None else in_order(chosen)


def in_order(scopes: Iterable[str]) -> list[str]:
    """Each once, in the order in which they are shown. Raises ValueError for one there is not."""
    wanted = {APIKey.Scope(scope) for scope in scopes}
    return [scope.value for scope in APIKey.Scope if scope in wanted]


def has_scopes(kind: str) -> bool:
    return kind == APIKey.Kind.ADMIN


def changeable(key: APIKey) -> set[str]:
    """What may be changed of a key: of a revoked one its name alone, and scopes only of an admin key, models of the others."""
    if key.revoked_at is not None:
        return {"name"}
    return {"name", "expires_at", "scopes" if has_scopes(key.kind) else "models"}


def check_kind_has_scopes(kind: str, scopes: Iterable[str] | None) -> None:
    """Raises ScopesNotForKind when scopes are given to a key that has none to give."""
    if scopes is not None and not has_scopes(kind):
        raise ScopesNotForKind(f"A {kind} key has no scopes: only admin keys have.", param="scopes")


def check_not_stronger(maker: APIKey | None, kind: str, scopes: Iterable[str], expires_at: datetime | None) -> None:
    """Raises KeyIsLimited when a limited key would make, change or read the secret of a key like this."""
    if maker is None or not maker.is_limited or kind != APIKey.Kind.ADMIN:
        return
    if beyond := [scope for scope in in_order(scopes) if scope not in maker.scopes]:
        raise KeyIsLimited(
            f"This key is limited: it cannot make or change an admin key with the scope {' or '.join(beyond)}, which it does "
            "not have itself.",
            param="scopes",
        )
    if maker.expires_at is not None and (expires_at is None or expires_at > maker.expires_at):
        raise KeyIsLimited(
            "This key is limited: it cannot make or change an admin key that is good for longer than it is itself, until "
            f"{maker.expires_at.isoformat()}.",
            param="expires_at",
        )
