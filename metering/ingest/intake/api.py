"""The gateway's endpoints. Plain Django views: the hot path pays for no serializer."""

import select
from datetime import datetime
from typing import Any

import structlog
from django.db import close_old_connections, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from metering.errors import NotFound
from metering.ingest.formats.bodies import discard_rest, read_body
from metering.ingest.formats.cloudevents import is_cloudevents
from metering.ingest.formats.payloads import InboxPayload, of_cloudevents, of_corrections, of_events, of_litellm
from metering.ingest.intake.receive import receive
from metering.ingest.models import Batch
from omixa_billing.api.errors import Refusal, error_response, refusal_response, storage_unavailable_response
from omixa_billing.instants import instant_text
from omixa_billing.outage import STORAGE_ERRORS
from workspaces.access.authentication import authenticate_gateway, record_refusal
from workspaces.models import Gateway

log = structlog.get_logger(__name__)


# Where the server may leave in a request whose it is, or the refusal, when it has asked before reading the body.
GATEWAY = "omixa.gateway"
REFUSALS = (Refusal, *STORAGE_ERRORS)


def gateway_or_refusal(authorization: str | None) -> Gateway | Exception:
    """Whose request it is, or why it is refused; for the server, which lets the view answer either."""
    close_old_connections()
    try:
        return find_gateway(authorization, timezone.now())
    except REFUSALS as refusal:
        return refusal


def find_gateway(authorization: str | None, now: datetime) -> Gateway:
    """Asking that is also how a connection that broke since the last request is found out."""
    connection.health_check_done = True  # type: ignore[attr-defined]
    try:
        return authenticate_gateway(authorization, now)
    except STORAGE_ERRORS:
        connection.close()
        return authenticate_gateway(authorization, now)


def renew_connection() -> None:
    """Before work in a thread of the server that asks the database nothing first, and need not ask whether it is there."""
    close_old_connections()
    connection.health_check_done = True  # type: ignore[attr-defined]  # the next line makes up for it
    close_broken_connection()


def close_broken_connection() -> None:
    """Without asking the database: nothing is due on an idle connection but the news that its server has ended."""
    open_to = connection.connection
    if open_to is not None and (open_to.closed or _has_news(open_to.fileno())):
        connection.close()


def _has_news(fileno: int) -> bool:
    news = select.poll()
    news.register(fileno)
    return any(event & ~select.POLLOUT for _, event in news.poll(0))


@method_decorator(csrf_exempt, name="dispatch")
class GatewayView(View):
    """What every gateway endpoint has in common: refusals as JSON, and 503 when nothing can be stored."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        connection.health_check_done = True  # type: ignore[attr-defined]  # gateway_of makes up for it
        try:
            return super().dispatch(request, *args, **kwargs)
        except Refusal as refusal:
            discard_rest(request)
            return refusal_response(refusal)
        except STORAGE_ERRORS as error:
            discard_rest(request)
            log.warning("storage_unavailable", path=request.path, error=str(error))
            return storage_unavailable_response()

    def gateway_of(self, request: HttpRequest, now: datetime) -> Gateway:
        """Whose request it is, as the server found out or as the header says."""
        found = request.META.get(GATEWAY)
        if found is None:
            return find_gateway(request.headers.get("Authorization"), now)
        if isinstance(found, Exception):
            record_refusal(request.headers.get("Authorization"), found, now)
            raise found
        close_broken_connection()
        return found

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        allowed = ", ".join(name.upper() for name in self.http_method_names if hasattr(self, name))
        response = error_response(405, "method_not_allowed", f"{request.method} is not supported here. Supported: {allowed}.")
        response["Allow"] = allowed
        return response


class IntakeView(GatewayView):
    """What the endpoints have in common: 202 once the batch is committed. Most are answered before (together.py)."""

    @staticmethod
    def payload(body: bytes, content_type: str) -> InboxPayload:
        raise NotImplementedError

    def post(self, request: HttpRequest) -> HttpResponse:
        now = timezone.now()
        gateway = self.gateway_of(request, now)
        payload = self.payload(read_body(request), request.headers.get("Content-Type", ""))
        return JsonResponse(receipt(receive(payload, gateway, now)), status=202)


def receipt(batch: Batch) -> dict[str, Any]:
    """Of a batch that is committed."""
    rejected = [{name: item[name] for name in ("index", "request_id", "code", "message")} for item in batch.items]
    answer = {"batch_id": batch.public_id, "accepted": batch.event_count - len(rejected), "rejected": rejected}
    return answer | {"warnings": batch.warnings} if batch.warnings else answer


class EventsView(IntakeView):
    """`POST /gateway/v1/events`: our own format, or CloudEvents if the content type says so."""

    @staticmethod
    def payload(body: bytes, content_type: str) -> InboxPayload:
        return of_cloudevents(body, content_type) if is_cloudevents(content_type) else of_events(body)


class LiteLLMView(IntakeView):
    """`POST /gateway/v1/events/litellm`: LiteLLM's StandardLoggingPayload."""

    @staticmethod
    def payload(body: bytes, content_type: str) -> InboxPayload:
        return of_litellm(body)


class CorrectionsView(IntakeView):
    """`POST /gateway/v1/corrections`."""

    @staticmethod
    def payload(body: bytes, content_type: str) -> InboxPayload:
        return of_corrections(body)


class BatchView(GatewayView):
    """`GET /gateway/v1/batches/{batch_id}`: what became of a batch of the calling gateway."""

    def get(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        gateway = self.gateway_of(request, timezone.now())
        batch = Batch.objects.filter(gateway=gateway, public_id=batch_id).defer("body").first()
        if batch is None:
            raise NotFound(f"This gateway did not send a batch {batch_id}.")
        return JsonResponse(
            {
                "batch_id": batch.public_id,
                "status": batch.status,
                "received_at": instant_text(batch.received_at),
                "processed_at": instant_text(batch.processed_at),
                "counts": {
                    name: getattr(batch, name) for name in ("recorded", "duplicate", "conflict", "unpriced", "rejected")
                },
                "items": batch.items,
            }
        )
