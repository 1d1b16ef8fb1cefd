"""Counts requests for Prometheus under as few names as are looked at: each one more is kept and printed for ever."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django_prometheus.middleware import PrometheusAfterMiddleware
from prometheus_client import Counter, Histogram


class RequestMetrics(PrometheusAfterMiddleware):
    """The library's, but a caller's made-up method is no label of its own, and the console's many pages share one."""

    def label_metric(self, metric: Any, request: HttpRequest, response: HttpResponse | None = None, **labels: Any) -> Any:
        if "method" in labels:
            labels["method"] = self._method(request)
        if str(labels.get("view", "")).startswith("admin:"):
            labels["view"] = "admin"
        return super().label_metric(metric, request, response, **labels)


def count_answer(view: str, method: str, scheme: str, status: int, seconds: float) -> None:
    """A request that was answered without Django's handler, in the same metrics: those of all requests, and of its view."""
    counters, latencies = _metrics(view, method, scheme, status)
    for counter in counters:
        counter.inc()
    for latency in latencies:
        latency.observe(seconds)


@cache
def _metrics(view: str, method: str, scheme: str, status: int) -> tuple[list[Counter], list[Histogram]]:
    of_all = RequestMetrics.metrics_cls.get_instance()
    counters = [
        of_all.requests_total,
        of_all.responses_total,
        of_all.requests_by_view_transport_method.labels(view=view, transport=scheme, method=method),
        of_all.responses_by_status_view_method.labels(status=status, view=view, method=method),
    ]
    of_view = of_all.requests_latency_by_view_method.labels(view=view, method=method)
    return counters, [of_all.requests_latency_before, of_view]
