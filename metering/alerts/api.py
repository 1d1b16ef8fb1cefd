"""`/api/v1/alert-settings`: what a workspace is alerted to, for its admin keys, owners and admins.

Changing them is a part of managing keys: a limited admin key needs that scope.
"""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering.alerts.preferences import alert_settings_json, alert_settings_of, change_alert_settings
from metering.alerts.serializers import AlertSettingsChanges, AlertSettingsSerializer
from omixa_billing.api.documented_errors import REFUSED
from omixa_billing.api.requests import NoQuery, parse_body, parse_query
from workspaces.access.permissions import ManagesKeys, caller_of
from workspaces.models import APIKey


class AlertSettingsView(APIView):
    permission_classes = [ManagesKeys]
    scope = APIKey.Scope.KEYS

    @extend_schema(
        operation_id="get_alert_settings",
        summary="What the workspace is alerted to, and what happens automatically",
        tags=["alerts"],
        responses={200: AlertSettingsSerializer, **REFUSED},
    )
    def get(self, request: Request) -> Response:
        parse_query(request.query_params, NoQuery)
        return Response(alert_settings_json(alert_settings_of(caller_of(request).workspace)))

    @extend_schema(
        operation_id="change_alert_settings",
        summary="Change them; fields that are absent stay as they are",
        tags=["alerts"],
        request=AlertSettingsChanges,
        responses={200: AlertSettingsSerializer, **REFUSED},
    )
    def patch(self, request: Request) -> Response:
        caller = caller_of(request)
        changes = parse_body(request.data, AlertSettingsChanges)
        changed = change_alert_settings(caller.workspace, changes, caller.actor, timezone.now(), caller.user, caller.key)
        return Response(alert_settings_json(changed))
