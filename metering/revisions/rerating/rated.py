"""What a price set for the past does not change by itself: usage that an earlier version has rated already."""

from django.db.models import Sum

from metering.catalogue.models import PriceVersion
from metering.periods import floor_hour
from metering.revisions.rerating.plan import with_aliases
from metering.rollups.models import HourlyRollup


def rated_since(version: PriceVersion) -> int:
    """Requests of the version's time, to the hour, that another version has rated and that keep it until they are re-rated.

    Counts the version's model with its aliases, its tier, and its workspace if it is for one; a version for all does not
    reach what a workspace's own has rated. It is the most that re-rating can change: a threshold may leave some alone. A
    version that was corrected rates nothing any more.
    """
    if PriceVersion.objects.correcting(version).exists():
        return 0
    rated = HourlyRollup.objects.filter(
        model__in=with_aliases(version.model),
        service_tier__name=version.service_tier,
        hour__gte=floor_hour(version.effective_from),
        price_id__gt=0,
    ).exclude(price_id=version.pk)
    successor = PriceVersion.objects.succeeding(version).order_by("effective_from").first()
    if successor is not None:
        rated = rated.filter(hour__lt=successor.effective_from)
    if version.workspace_id is not None:
        rated = rated.filter(workspace=version.workspace_id)
    else:
        rated = rated.exclude(price_id__in=PriceVersion.objects.filter(workspace__isnull=False).values("pk"))
    return int(rated.aggregate(requests=Sum("requests"))["requests"] or 0)
