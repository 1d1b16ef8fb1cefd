"""What anybody may read: the model list and the model pages."""

import pytest
from django.test import Client

from metering.catalogue.models import LanguageModel
from metering.catalogue.seeds import load_catalogue
from tests.kit.factories import NOW, make_model, make_price
from tests.kit.pages import text_of
from tests.kit.people import browser_of, person
from tests.website.conftest import Tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalogue() -> None:
    load_catalogue()


def test_a_stranger_sees_what_it_is_and_what_it_costs(client: Client, catalogue: None) -> None:
    page = text_of(client.get("/"))
    assert "One endpoint for every model" in page
    for text in ("Codex Mini", "$1.500000", "$0.375000", "$6.000000", "Grok 3", "$15.000000"):
        assert text in page
    assert "Sign out" not in page


def test_the_model_page_says_what_the_gateways_page_says(client: Client, catalogue: None) -> None:
    page = text_of(client.get("/models/codex-mini"))
    for text in (
        "Codex Mini for text generation, reasoning, tool calling, and live streaming responses.",
        "http://omixa.cloud/api/v1/chat/completions",
        "200,000 tokens",
        "100,000 tokens",
        "azure_openai_v1_chat",
        "Tool/function calling supported",
        "Inline images/documents supported through message parts",
        "Reasoning controls: low, medium, high",
        "auto, default, priority",
        "Omixa maps the correct field for Google, Azure chat, and reasoning model families.",
        "Streaming note",
        "Provider routing, billing, failover, and usage records are handled by Omixa.",
    ):
        assert text in page


def test_a_model_documents_only_its_own_fields(client: Client, catalogue: None) -> None:
    page = text_of(client.get("/models/grok-3"))
    assert "<code>tool_choice</code>" in page
    assert "<code>reasoning_effort</code>" not in page
    assert "<code>service_tier</code>" not in page
    assert "Reasoning controls" not in page


def test_a_model_that_does_not_stream_has_no_streaming_note(client: Client, catalogue: None) -> None:
    page = text_of(client.get("/models/o1-preview"))
    assert "Streaming note" not in page
    assert "Streaming supported" not in page


def test_a_model_without_a_price_says_so(client: Client) -> None:
    make_model("new-model", description="Brand new.")
    assert "No price set yet" in text_of(client.get("/models"))
    page = text_of(client.get("/models/new-model"))
    assert "No price set yet" in page
    assert "$0" not in page


def test_a_price_is_shown_from_its_time_on(client: Client) -> None:
    make_price(input="1.5")
    make_price(input="9.75", effective_from=NOW.replace(hour=13))
    page = text_of(client.get("/models/codex-mini"))
    assert "$1.500000" in page
    assert "$9.750000" not in page


def test_every_tier_and_threshold_is_shown(client: Client) -> None:
    make_price(input="1.5")
    make_price(input="2.7", tier="priority")
    make_price(input="3.1", above_input_tokens=200_000)
    page = text_of(client.get("/models/codex-mini"))
    for text in ("$1.500000", "$2.700000", "$3.100000", "requests with more than 200,000 input tokens", "Priority"):
        assert text in page


def test_a_workspaces_own_price_is_shown_to_it_alone(acme: Tenant, rival: Tenant, client: Client) -> None:
    make_price(input="1.5")
    make_price(input="1.25", workspace=acme.workspace)
    mine = text_of(browser_of(person(acme.workspace, "viewer")).get("/models/codex-mini"))
    theirs = text_of(browser_of(person(rival.workspace, "viewer", "v@rival.example")).get("/models/codex-mini"))
    public = text_of(client.get("/models/codex-mini"))
    assert "$1.250000" in mine
    assert "$1.500000" not in mine
    assert "$1.250000" not in theirs + public
    assert "$1.500000" in theirs


def test_a_name_with_a_slash_has_a_page(client: Client) -> None:
    make_model("mistral/large-2")
    assert client.get("/models/mistral/large-2").status_code == 200


@pytest.mark.parametrize("status", ["unlisted", "discovered"])
def test_what_is_not_listed_has_no_page(client: Client, status: str) -> None:
    LanguageModel.objects.create(slug="secret-model", name="Secret", status=status)
    assert client.get("/models/secret-model").status_code == 404
    assert "secret-model" not in text_of(client.get("/models"))


def test_the_page_as_markdown(client: Client, catalogue: None) -> None:
    answer = client.get("/models/codex-mini?format=md")
    text = text_of(answer)
    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    assert "| default | $1.500000 | $0.375000 | as input | $6.000000 |" in text
    assert "| `messages` | array | Yes | Any valid value |" in text
    assert "| `max_tokens\\|max_completion_tokens` | integer | No |" in text
    assert "```python\nimport requests" in text
    assert "&quot;" not in text


def test_an_operators_text_cannot_become_markup(client: Client) -> None:
    make_model("evil", name="<script>alert(1)</script>", description="`<b>x</b>`")
    assert "<script>alert(1)" not in text_of(client.get("/models/evil"))


def test_a_rate_of_zero_is_a_price(client: Client) -> None:
    make_price("free", input="0", cached_input="0", output="0")
    page = text_of(client.get("/models/free"))
    assert "$0.000000" in page
    assert "No price set yet" not in page
