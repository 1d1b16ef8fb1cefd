"""`/api/v1/keys`: a workspace's keys, for its admin keys, owners and admins. A stranger's key is a 404."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workspaces.access.authentication import Caller
from workspaces.access.permissions import ManagesKeys, caller_of
from workspaces.keys import issue
from workspaces.keys.limits import USUAL
from workspaces.keys.serializers import (
    ErrorSerializer,
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

REFUSED = dict.fromkeys((401, 403), ErrorSerializer)
MALFORMED = {400: ErrorSerializer}
NOT_FOUND = {404: ErrorSerializer}
CONFLICT = {409: ErrorSerializer}
UNPROCESSABLE = {422: ErrorSerializer}


class KeysView(APIView):
    permission_classes = [ManagesKeys]
    scope = APIKey.Scope.KEYS

    @extend_schema(
        operation_id="list_keys",
        summary="The workspace's keys, newest first",
        tags=["keys"],
        parameters=[KeyListQuery],
        responses={200: KeyListSerializer, **MALFORMED, **REFUSED},
    )
    def get(self, request: Request) -> Response:
        asked = _valid(KeyListQuery(data=request.query_params))
        keys = _keys_of(caller_of(request))
        if "cursor" in asked:
            keys = keys.filter(pk__lt=_pk_of_cursor(keys, asked["cursor"]))
        page = list(keys.order_by("-pk")[: asked["limit"] + 1])
        more = len(page) > asked["limit"]
        page = page[: asked["limit"]]
        now = timezone.now()
        return Response(
            {
                "object": "list",
                "data": KeySerializer(page, many=True, context={"now": now}).data,
                "next_cursor": page[-1].public_id if more else None,
            }
        )

    @extend_schema(
        operation_id="create_key",
        summary="Create a key; its secret is in this answer only",
        tags=["keys"],
        request=KeyToCreate,
        responses={201: KeyWithSecretSerializer, **MALFORMED, **REFUSED, **UNPROCESSABLE},
    )
    def post(self, request: Request) -> Response:
        asked, caller, now = _valid(KeyToCreate(data=request.data)), caller_of(request), timezone.now()
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
        summary="Rename a key, move its expiry, or limit it",
        tags=["keys"],
        request=KeyChanges,
        responses={200: KeySerializer, **MALFORMED, **REFUSED, **NOT_FOUND, **CONFLICT, **UNPROCESSABLE},
    )
    def patch(self, request: Request, key_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        key = _key_of(caller, key_id)
        issue.change_key(key, _valid(KeyChanges(data=request.data)), caller.actor, now, caller.user, caller.key)
        return _key_response(_key_of(caller, key_id), now)


class RotateKey(APIView):
    permission_classes = [ManagesKeys]
    scope = APIKey.Scope.KEYS

    @extend_schema(
        operation_id="rotate_key",
        summary="Put a new secret on a key; it is in this answer only",
        tags=["keys"],
        request=Rotation,
        responses={200: KeyWithSecretSerializer, **MALFORMED, **REFUSED, **NOT_FOUND, **CONFLICT},
    )
    def post(self, request: Request, key_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        key = _key_of(caller, key_id)
        grace = timedelta(seconds=_valid(Rotation(data=request.data))["grace_seconds"])
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
        responses={200: KeySerializer, **MALFORMED, **REFUSED, **NOT_FOUND},
    )
    def post(self, request: Request, key_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        key = _key_of(caller, key_id)
        _valid(Nothing(data=request.data))
        issue.revoke_key(key, caller.actor, now, caller.user, caller.key)
        return _key_response(_key_of(caller, key_id), now)


def _keys_of(caller: Caller) -> QuerySet[APIKey]:
    keys = APIKey.objects.filter(workspace=caller.workspace)
    return keys.select_related("workspace", "created_by", "created_by_key").prefetch_related("credentials")


def _key_of(caller: Caller, key_id: str) -> APIKey:
    key = _keys_of(caller).filter(public_id=key_id).first()
    if key is None:
        raise NotFound("There is no such key in this workspace.")
    return key


def _pk_of_cursor(keys: QuerySet[APIKey], cursor: str) -> int:
    pk = keys.filter(public_id=cursor).values_list("pk", flat=True).first()
    if pk is None:
        raise ValidationError({"cursor": ["This cursor is not from a list of this workspace's keys."]})
    return pk


def _valid(serializer: Any) -> Any:
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _key_response(key: APIKey, now: datetime, secret: str | None = None, status: int = 200) -> Response:
    context = {"now": now, "secret": secret}
    kind = KeySerializer if secret is None else KeyWithSecretSerializer
    return Response(kind(key, context=context).data, status=status)
