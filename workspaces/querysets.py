"""What is asked of keys and of their secrets in more than one place."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from workspaces.models import APIKey, Credential  # noqa: F401 - type parameters, as texts


class APIKeyQuerySet(models.QuerySet["APIKey"]):
    def unrevoked(self) -> Self:
        """Those that may work: also while they are frozen, and when they expired."""
        return self.filter(revoked_at__isnull=True)

    def for_calls(self) -> Self:
        """Those of a kind that calls models."""
        return self.exclude(kind=self.model.Kind.ADMIN)

    def with_status(self, status: str, now: datetime) -> Self:
        """As `APIKey.status` has it."""
        if status == "revoked":
            return self.filter(revoked_at__isnull=False)
        if status == "frozen":
            return self.unrevoked().filter(frozen_at__isnull=False)
        unfrozen = self.unrevoked().filter(frozen_at__isnull=True)
        return unfrozen.filter(expires_at__lte=now) if status == "expired" else unfrozen.exclude(expires_at__lte=now)


class CredentialQuerySet(models.QuerySet["Credential"]):
    def working(self, at: datetime) -> Self:
        """Those whose time is not over then; whether their key or gateway works is another question."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=at))
