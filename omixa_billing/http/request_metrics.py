"""Counts requests for Prometheus under as few names as are looked at: each one more is kept and printed for ever."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django_prometheus.middleware import PrometheusAfterMiddleware


class RequestMetrics(PrometheusAfterMiddleware):
    """The library's, but a caller's made-up method is no label of its own, and the console's many pages share one."""

    def label_metric(self, metric: Any, request: HttpRequest, response: HttpResponse | None = None, **labels: Any) -> Any:
        if "method" in labels:
            labels["method"] = self._method(request)
        if str(labels.get("view", "")).startswith("admin:"):
            labels["view"] = "admin"
        return super().label_metric(metric, request, response, **labels)
