"""POST /secret-scanning: GitHub tells of secrets of ours that it found in public."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from metering.alerts.leaks.github import check_signature
from metering.alerts.leaks.matches import read_matches
from metering.alerts.leaks.report import report_leaks
from metering.errors import NotFound
from omixa_billing.api.errors import Refusal, refusal_response


@csrf_exempt
@require_POST
def secret_scanning(request: HttpRequest) -> HttpResponse:
    """200 with what each secret was, once everything is done about those of ours. Nothing is read before its signature fits."""
    now = timezone.now()
    try:
        if not settings.SECRET_SCANNING_KEYS_URL:
            raise NotFound("Reports of leaked secrets are switched off here: set SECRET_SCANNING_KEYS_URL.")
        identifier, signature = (request.headers.get(f"Github-Public-Key-{name}", "") for name in ("Identifier", "Signature"))
        check_signature(request.body, identifier, signature, now)
        answers = report_leaks(read_matches(request.body), now)
    except Refusal as refusal:
        return refusal_response(refusal)
    return JsonResponse(answers, safe=False)
