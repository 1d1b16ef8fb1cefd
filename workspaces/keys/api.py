"""`/api/v1/keys`: a workspace's keys, for its admin keys, owners and admins. A stranger's key is a 404."""

from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from omixa_billing.api.documented_errors import NOT_FOUND, REFUSED, errors_with
from omixa_billing.api.lists import list_answer, page_of
from omixa_billing.api.requests import parse_body, parse_query
from workspaces.access.authentication import Caller
from workspaces.access.permissions import ManagesKeys, caller_of
from workspaces.keys import freezing, issue
from workspaces.keys.limits import USUAL
from workspaces.keys.serializers import (
    KeyChanges,
    KeyListQuery,
    KeyListSerializer,
    KeySerializer,
    KeyToCreate,
    KeyWithSecretSerializer,
    Nothing,
    Rotation,
)
from workspaces.models import APIKey

CONFLICT = errors_with(409)
UNPROCESSABLE = errors_with(422)


class KeysView(APIView):
    permission_classes = [ManagesKeys]
    scope = APIKey.Scope.KEYS

    @extend_schema(
        operation_id="list_keys",
        summary="The workspace's keys, newest first",
        tags=["keys"],
        parameters=[KeyListQuery],
        responses={200: KeyListSerializer, **REFUSED},
    )
    def get(self, request: Request) -> Response:
        asked = parse_query(request.query_params, KeyListQuery)
        page, next_cursor = page_of(_keys_of(caller_of(request)).order_by("-pk"), asked, plain=True)
        data = KeySerializer(page, many=True, context={"now": timezone.now()}).data
        return Response(list_answer(data, next_cursor))

    @extend_schema(
        operation_id="create_key",
        summary="Create a key; its secret is in this answer only",
        tags=["keys"],
        request=KeyToCreate,
        responses={201: KeyWithSecretSerializer, **REFUSED, **UNPROCESSABLE},
    )
    def post(self, request: Request) -> Response:
        asked, caller, now = parse_body(request.data, KeyToCreate), caller_of(request), timezone.now()
        key, secret = issue.create_key(
            caller.workspace,
            asked.get("kind") or issue.usual_kind(caller.workspace),
            asked["name"],
            caller.actor,
            now,
            user=caller.user,
            expires_at=asked.get("expires_at", USUAL),
            scopes=asked.get("scopes"),
            maker=caller.key,
            models=asked.get("models"),
        )
        return _key_response(key, now, secret, status=201)


class KeyView(APIView):
    permission_classes = [ManagesKeys]
    scope = APIKey.Scope.KEYS

    @extend_schema(
        operation_id="get_key",
        summary="One key",
        tags=["keys"],
        responses={200: KeySerializer, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, key_id: str) -> Response:
        return _key_response(_key_of(caller_of(request), key_id), timezone.now())

    @extend_schema(
        operation_id="change_key",
        summary="Rename a key, move its expiry, or limit what it may do and which models it may ask for",
        tags=["keys"],
        request=KeyChanges,
        responses={200: KeySerializer, **REFUSED, **NOT_FOUND, **CONFLICT, **UNPROCESSABLE},
    )
    def patch(self, request: Request, key_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        key = _key_of(caller, key_id)
        issue.change_key(key, parse_body(request.data, KeyChanges), caller.actor, now, caller.user, caller.key)
        return _key_response(_key_of(caller, key_id), now)


class RotateKey(APIView):
    permission_classes = [ManagesKeys]
    scope = APIKey.Scope.KEYS

    @extend_schema(
        operation_id="rotate_key",
        summary="Put a new secret on a key; it is in this answer only",
        tags=["keys"],
        request=Rotation,
        responses={200: KeyWithSecretSerializer, **REFUSED, **NOT_FOUND, **CONFLICT},
    )
    def post(self, request: Request, key_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        key = _key_of(caller, key_id)
        grace = timedelta(seconds=parse_body(request.data, Rotation)["grace_seconds"])
        secret = issue.rotate_key(key, grace, caller.actor, now, caller.user, caller.key)
        return _key_response(_key_of(caller, key_id), now, secret)


class RevokeKey(APIView):
    permission_classes = [ManagesKeys]
    scope = APIKey.Scope.KEYS

    @extend_schema(
        operation_id="revoke_key",
        summary="Stop a key for good; once more changes nothing",
        tags=["keys"],
        request=Nothing,
        responses={200: KeySerializer, **REFUSED, **NOT_FOUND},
    )
    def post(self, request: Request, key_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        key = _key_of(caller, key_id)
        parse_body(request.data, Nothing)
        issue.revoke_key(key, caller.actor, now, caller.user, caller.key)
        return _key_response(_key_of(caller, key_id), now)


class FreezeKey(APIView):
    permission_classes = [ManagesKeys]
    scope = APIKey.Scope.KEYS

    @extend_schema(
        operation_id="freeze_key",
        summary="Refuse a key until it is unfrozen; once more changes nothing",
        tags=["keys"],
        request=Nothing,
        responses={200: KeySerializer, **REFUSED, **NOT_FOUND, **CONFLICT},
    )
    def post(self, request: Request, key_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        key = _key_of(caller, key_id)
        parse_body(request.data, Nothing)
        freezing.freeze_key(key, caller.actor, now, caller.user, caller.key)
        return _key_response(_key_of(caller, key_id), now)


class UnfreezeKey(APIView):
    permission_classes = [ManagesKeys]
    scope = APIKey.Scope.KEYS

    @extend_schema(
        operation_id="unfreeze_key",
        summary="Let a frozen key work again; once more changes nothing",
        tags=["keys"],
        request=Nothing,
        responses={200: KeySerializer, **REFUSED, **NOT_FOUND, **CONFLICT},
    )
    def post(self, request: Request, key_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        key = _key_of(caller, key_id)
        parse_body(request.data, Nothing)
        freezing.unfreeze_key(key, caller.actor, now, caller.user, caller.key)
        return _key_response(_key_of(caller, key_id), now)


def _keys_of(caller: Caller) -> QuerySet[APIKey]:
    keys = APIKey.objects.filter(workspace=caller.workspace)
    return keys.select_related("workspace", "created_by", "created_by_key", "frozen_by", "frozen_by_key").prefetch_related(
        "credentials"
    )


def _key_of(caller: Caller, key_id: str) -> APIKey:
    key = _keys_of(caller).filter(public_id=key_id).first()
    if key is None:
        raise NotFound("There is no such key in this workspace.")
    return key


def _key_response(key: APIKey, now: datetime, secret: str | None = None, status: int = 200) -> Response:
    context = {"now": now, "secret": secret}
    kind = KeySerializer if secret is None else KeyWithSecretSerializer
    return Response(kind(key, context=context).data, status=status)
