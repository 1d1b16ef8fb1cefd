"""The kinds of usage that OpenAI reports apart, and which of them there is here.

A model counts as one of embeddings or moderations if its endpoint type in the catalogue has that word; every other one
counts under completions, so that the kinds add up to the whole. The rest is no usage of models in tokens: there is none here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from metering.catalogue.models import LanguageModel
from metering.compatible.openai.parameters import OF_KEYS, OF_MODELS, UsageOfKindQuery, usage_query
from omixa_billing.api.fields import FlagField, NamesField

BY_MODEL = ("project_id", "user_id", "api_key_id", "model")
BY_TIER = (*BY_MODEL, "batch", "service_tier", "api_source")
APART = ("embedding", "moderation")


@dataclass(frozen=True, slots=True)
class UsageKind:
    """One endpoint. `result` names its results; without one nothing of the kind is counted here."""

    query: type[UsageOfKindQuery]
    groups: tuple[str, ...]
    result: str = ""


def _kind(groups: tuple[str, ...], more: dict[str, Any], result: str = "") -> UsageKind:
    return UsageKind(usage_query(groups, more), groups, result)


BATCH = {"batch": FlagField}
KINDS = {
    "completions": _kind(BY_TIER, OF_MODELS | BATCH, "completions"),
    "embeddings": _kind(BY_MODEL, OF_MODELS, "embeddings"),
    "moderations": _kind(BY_MODEL, OF_MODELS, "moderations"),
    "images": _kind((*BY_MODEL, "size", "source"), OF_MODELS | {"sizes": NamesField, "sources": NamesField}),
    "audio_speeches": _kind(BY_MODEL, OF_MODELS),
    "audio_transcriptions": _kind(BY_MODEL, OF_MODELS),
    "decisions": _kind(BY_TIER, OF_MODELS | BATCH),
    "file_search_calls": _kind((*BY_MODEL[:3], "vector_store_id"), OF_KEYS | {"vector_store_ids": NamesField}),
    "web_search_calls": _kind((*BY_MODEL, "context_level", "api_source"), OF_MODELS | {"context_levels": NamesField}),
    "vector_stores": _kind(("project_id",), {}),
    "code_interpreter_sessions": _kind(("project_id",), {}),
}


def models_of_kind(name: str) -> tuple[str, ...]:
    """Models, aliases too, by what is apart from completions: of embeddings, of moderations, or for completions of either."""
    words = APART if name == "completions" else (name.removesuffix("s"),)
    is_one = Q()
    for word in words:
        is_one |= Q(endpoint_type__icontains=word) | Q(alias_of__endpoint_type__icontains=word)
    return tuple(LanguageModel.objects.filter(is_one).values_list("slug", flat=True))
