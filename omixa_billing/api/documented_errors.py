"""The one shape of errors, as the OpenAPI document describes it."""

from typing import Any

from rest_framework import serializers


class ErrorDetail(serializers.Serializer[Any]):
    message = serializers.CharField(help_text="What went wrong and what to do.")
    type = serializers.CharField()
    code = serializers.CharField()
    param = serializers.CharField(allow_null=True)


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error, everywhere."""

    error = ErrorDetail()


def errors_with(*statuses: int) -> dict[int, type[ErrorSerializer]]:
    """Answers of an operation with these statuses, beside its good one."""
    return dict.fromkeys(statuses, ErrorSerializer)


REFUSED = errors_with(400, 401, 403)
NOT_FOUND = errors_with(404)
