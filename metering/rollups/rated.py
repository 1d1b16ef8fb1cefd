"""What a price set for the past does not change: usage that an earlier version has rated already."""

from django.db.models import Q, Sum

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.periods import floor_hour
from metering.rollups.models import HourlyRollup


def rated_since(version: PriceVersion) -> int:
    """Requests at or after the version's beginning, to the hour, that another version has rated and that keep it.

    Counts the version's model with its aliases, its tier, and its workspace if it is for one.
    """
    models = LanguageModel.objects.filter(Q(pk=version.model_id) | Q(alias_of=version.model_id))
    rated = HourlyRollup.objects.filter(
        model__in=models, service_tier__name=version.service_tier, hour__gte=floor_hour(version.effective_from), price_id__gt=0
    ).exclude(price_id=version.pk)
    if version.workspace_id is not None:
        rated = rated.filter(workspace=version.workspace_id)
    return int(rated.aggregate(requests=Sum("requests"))["requests"] or 0)
