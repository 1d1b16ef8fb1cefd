"""Versions of what something costs. One holds from its beginning until a later one of its scope begins; one that begins with
another and has a higher revision corrects it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

if TYPE_CHECKING:
    from metering.catalogue.models import PriceVersion
    from metering.catalogue.providers.models import ProviderPrice

Version = TypeVar("Version", bound="PriceVersion | ProviderPrice")


class VersionQuerySet(models.QuerySet[Version]):
    """SCOPE: the columns in which versions agree that say what the same costs. A null is a scope of its own."""

    SCOPE: ClassVar[tuple[str, ...]]

    def of_scope(self, version: Version) -> Self:
        """Those that say what the same costs."""
        return self.filter(**{name: getattr(version, name) for name in self.SCOPE})

    def succeeding(self, version: Version) -> Self:
        """Later versions of its scope."""
        return self.of_scope(version).filter(effective_from__gt=version.effective_from)

    def correcting(self, version: Version) -> Self:
        """Versions that took its place from its very beginning."""
        return self.of_scope(version).filter(effective_from=version.effective_from, revision__gt=version.revision)

    def in_force(self, at: datetime) -> Self:
        """The one of each scope that holds at this instant."""
        begun = self.filter(effective_from__lte=at)
        return begun.order_by(*self.SCOPE, "-effective_from", "-revision").distinct(*self.SCOPE)

    def with_succession(self, now: datetime) -> Self:
        """With `is_corrected`, and `has_successor`: a later version is in force, or this one was corrected."""
        nullable = [name for name in self.SCOPE if self.model._meta.get_field(name).null]
        same = self.model._default_manager.alias(**{f"{name}_or_0": Coalesce(name, 0) for name in nullable}).filter(
            **{name: OuterRef(name) for name in self.SCOPE if name not in nullable},
            **{f"{name}_or_0": Coalesce(OuterRef(name), 0) for name in nullable},
        )
        correction = Q(effective_from=OuterRef("effective_from"), revision__gt=OuterRef("revision"))
        later = Q(effective_from__gt=OuterRef("effective_from"), effective_from__lte=now)
        succeeded, corrected = same.filter(later | correction), same.filter(correction)
        return self.annotate(has_successor=Exists(succeeded), is_corrected=Exists(corrected))
