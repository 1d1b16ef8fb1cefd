"""Filters of lists that more than one page of the console has."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str


class DaysFilter(RangeDateFilter):
    """Whole UTC days, the last one included."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.parameter_name
        first, last = (parse_date_str(self.used_parameters.get(f"{name}_{end}")) for end in ("from", "to"))
        if first:
            queryset = queryset.filter(**{f"{name}__gte": datetime.combine(first, time(0), tzinfo=UTC)})
        if last:
            queryset = queryset.filter(**{f"{name}__lt": datetime.combine(last + timedelta(days=1), time(0), tzinfo=UTC)})
        return queryset
