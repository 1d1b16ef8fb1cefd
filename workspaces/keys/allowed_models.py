"""Which models a key or all of a workspace's keys may ask for, as clients name them; None is every model.

They are names, not rows of a catalogue: a model that has no price yet may be named, and an alias is a name of its own.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.locks import lock_workspace
from workspaces.models import APIKey, Workspace
from workspaces.names import is_storable

MOST_MODELS, LONGEST_MODEL = 200, 300
Models = list[str] | None


def clean_models(models: Iterable[str] | None) -> Models:
    """Each once, in order, without surrounding space. Raises InvalidParameter."""
    if models is None:
        return None
    found = sorted({model.strip() for model in models})
    if len(found) > MOST_MODELS:
        raise InvalidParameter(f"At most {MOST_MODELS} models can be named, or all are allowed.", param="models")
    for model in found:
        if not model or len(model) > LONGEST_MODEL or not is_storable(model):
            raise InvalidParameter(f"A model's name has from 1 to {LONGEST_MODEL} characters.", param="models")
    return found


def check_kind_asks_models(kind: str, models: Models) -> None:
    """Raises InvalidParameter when models are given to a key that never asks for any."""
    if models is not None and not asks_models(kind):
        raise InvalidParameter(
            f"Only live and test keys have models: a key of the kind {kind} cannot call models.", param="models"
        )


def asks_models(kind: str) -> bool:
    return kind != APIKey.Kind.ADMIN


def models_of_lines(lines: str) -> Models:
    """As people write them into a form, one a line; nothing is every model."""
    return [line.strip() for line in lines.splitlines() if line.strip()] or None


def lines_of_models(models: Models) -> str:
    return "\n".join(models or [])


def models_text(models: Models) -> str:
    """As the trail and pages name them."""
    return "all" if models is None else ", ".join(models) or "none"


@transaction.atomic
def change_workspace_models(workspace: Workspace, models: Models, refuses_unpriced: bool, actor: str, now: datetime) -> None:
    """What bounds all of its keys: the models, and whether one without a price is refused. Raises InvalidParameter."""
    models = clean_models(models)
    current = lock_workspace(workspace.pk)
    changed: dict[str, Any] = {}
    if current.allowed_models != models:
        changed |= {"models_before": models_text(current.allowed_models), "models": models_text(models)}
    if current.refuses_unpriced != refuses_unpriced:
        changed["refuses_unpriced"] = refuses_unpriced
    if not changed:
        return
    Workspace.objects.filter(pk=workspace.pk).update(allowed_models=models, refuses_unpriced=refuses_unpriced)
    audit.record(actor, "workspace.models_changed", workspace.public_id, workspace, now=now, **changed)
