"""The public model list and model pages. A member sees the workspace's own prices on them."""

from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.utils import timezone

from metering.catalogue.coming_prices import ComingPrice, coming_for
from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.price_list import prices_in_force
from metering.catalogue.reference import RESPONSE_SHAPE, example_payload, request_fields
from metering.website.public.examples import EXAMPLE_KEY, endpoint, examples, json_text
from metering.website.public.highlight import highlight
from omixa_billing.http.headers import strangers_may_keep
from workspaces.members.current import membership_of
from workspaces.models import Workspace


@dataclass(frozen=True)
class Listing:
    """A model with its prices in force: empty when it has none."""

    model: LanguageModel
    prices: list[PriceVersion]
    coming: list[ComingPrice]

    @property
    def first(self) -> PriceVersion | None:
        return self.prices[0] if self.prices else None


def public_models() -> QuerySet[LanguageModel]:
    """The models that the public may see."""
    return LanguageModel.objects.filter(status=LanguageModel.Status.LISTED)


def listings(workspace: Workspace | None) -> list[Listing]:
    """Every listed model by name, priced as of now."""
    models = sorted(public_models(), key=lambda model: (model.name or model.slug).lower())
    now = timezone.now()
    prices, coming = prices_in_force(models, now, workspace), coming_for(models, now, workspace)
    return [Listing(model, prices[model.pk], coming[model.pk]) for model in models]


@strangers_may_keep
def model_list(request: HttpRequest) -> HttpResponse:
    return render(request, "website/public/models.html", {"listings": listings(_workspace(request)), "endpoint": endpoint()})


@strangers_may_keep
def model_page(request: HttpRequest, slug: str) -> HttpResponse:
    """One model; with `?format=md` the same as Markdown."""
    model = get_object_or_404(public_models(), slug=slug)
    now, workspace = timezone.now(), _workspace(request)
    prices = prices_in_force([model], now, workspace)[model.pk]
    payload, response, code = json_text(example_payload(model)), json_text(RESPONSE_SHAPE), examples(model)
    context = {
        "model": model,
        "prices": prices,
        "coming": coming_for([model], now, workspace)[model.pk],
        "endpoint": endpoint(),
        "fields": request_fields(model),
        "payload": payload,
        "response": response,
        "examples": code,
        "example_key": EXAMPLE_KEY,
    }
    if request.GET.get("format") == "md":
        text = render_to_string("website/public/model.md", context)
        return HttpResponse(text, content_type="text/markdown; charset=utf-8")
    coloured = {
        "payload": highlight(payload),
        "response": highlight(response),
        "examples": [(each, highlight(each.code)) for each in code],
    }
    return render(request, "website/public/model.html", context | coloured)


def _workspace(request: HttpRequest) -> Workspace | None:
    membership = membership_of(request)
    return None if membership is None else membership.workspace
