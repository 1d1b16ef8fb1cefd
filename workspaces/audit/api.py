"""`GET /api/v1/audit`: the workspace's own trail, for its admin keys, owners and admins."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from omixa_billing.api.cursors import invalid_cursor
from omixa_billing.api.documented_errors import REFUSED
from omixa_billing.api.fields import InstantField
from omixa_billing.api.lists import CursorQuery, limit_field, list_answer, list_serializer
from omixa_billing.api.requests import parse_query
from workspaces.access.permissions import ManagesKeys, caller_of
from workspaces.audit.of_workspace import TrailQuestion, trail_page
from workspaces.audit.words import OF_WORKSPACES, STAFF, customer_entry
from workspaces.ids import AUDIT_PREFIX, audit_id
from workspaces.keys.serializers import DEFAULT_LIMIT, MAX_LIMIT


class AuditQuery(CursorQuery):
    action = serializers.CharField(
        required=False, max_length=64, help_text=f"Only this one of `{'`, `'.join(OF_WORKSPACES)}`; any other finds nothing."
    )
    actor = serializers.CharField(
        required=False, max_length=300, help_text=f"A person's address or a key's id; `{STAFF}` for our people and commands."
    )
    start = InstantField(any_year=True, required=False, help_text="From this time.")
    end = InstantField(any_year=True, required=False, help_text="Up to this time, not included.")
    limit = limit_field(MAX_LIMIT, DEFAULT_LIMIT)
    cursor = serializers.CharField(required=False, max_length=32, help_text="`next_cursor` of the page before.")

    def validate_cursor(self, value: str) -> int:
        number = value.removeprefix(AUDIT_PREFIX)
        if not (value.startswith(AUDIT_PREFIX) and number.isascii() and number.isdecimal() and len(number) < 19):
            raise invalid_cursor()
        return int(number)


class AuditEntrySerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    at = serializers.DateTimeField()
    actor = serializers.CharField(
        help_text=f"A person's address, a key's id, `{STAFF}`, or in words what it was: see `actor_kind`."
    )
    actor_kind = serializers.ChoiceField(choices=("member", "staff", "key", "gateway", "provider", "system", "stranger"))
    action = serializers.CharField()
    target = serializers.CharField()
    summary = serializers.CharField(help_text="The same as a sentence.")
    ip_address = serializers.CharField(allow_null=True, help_text="Where the request came from; null for our own acts.")
    user_agent = serializers.CharField(help_text="The program that sent the request; empty for our own acts.")
    detail = serializers.DictField()


AuditListSerializer = list_serializer("AuditListSerializer", AuditEntrySerializer)

EXAMPLE = list_answer(
    [
        {
            "id": audit_id(1204),
            "at": "2026-10-15T12:00:00Z",
            "actor": "ada@acme.example",
            "actor_kind": "member",
            "action": "key.revoked",
            "target": "key_0V8sKq2mZt4",
            "summary": "ada@acme.example revoked key key_0V8sKq2mZt4.",
            "ip_address": "203.0.113.7",
            "user_agent": "Mozilla/5.0",
            "detail": {},
        },
        {
            "id": audit_id(1198),
            "at": "2026-10-14T09:30:00Z",
            "actor": STAFF,
            "actor_kind": "staff",
            "action": "invoice.voided",
            "target": "inv_0V8sKq2mZt4",
            "summary": f"{STAFF} voided invoice inv_0V8sKq2mZt4.",
            "ip_address": None,
            "user_agent": "",
            "detail": {},
        },
    ],
    audit_id(1198),
)


class Audit(APIView):
    permission_classes = [ManagesKeys]

    @extend_schema(
        operation_id="list_audit_entries",
        summary="Who did what in the workspace, newest first",
        tags=["audit"],
        parameters=[AuditQuery],
        examples=[OpenApiExample("A revoked key, and an act of our staff", EXAMPLE, response_only=True, status_codes=["200"])],
        responses={200: AuditListSerializer, **REFUSED},
    )
    def get(self, request: Request) -> Response:
        asked = parse_query(request.query_params, AuditQuery)
        limit, before = asked.pop("limit"), asked.pop("cursor", None)
        page, last = trail_page(caller_of(request).workspace, TrailQuestion(before=before, **asked), limit)
        data = AuditEntrySerializer([customer_entry(entry) for entry in page], many=True).data
        return Response(list_answer(data, None if last is None else audit_id(last)))
