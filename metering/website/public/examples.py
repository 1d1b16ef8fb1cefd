"""Copy-ready requests to a model, in six languages, all with the same payload."""

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from metering.catalogue.models import LanguageModel
from metering.catalogue.reference import example_payload
from omixa_billing.supervision.local_gateway.place import running_gateway

EXAMPLE_KEY = "omx_live_xxx"
PUBLIC_GATEWAY = "http://omixa.cloud"
LANGUAGES = [
    ("curl", "cURL"),
    ("javascript", "JavaScript fetch"),
    ("python", "Python requests"),
    ("php", "PHP cURL"),
    ("csharp", "C# HttpClient"),
    ("go", "Go net/http"),
]


@dataclass(frozen=True)
class Example:
    """One language's request: a short id, its name for people, and the code as text."""

    language: str
    name: str
    code: str

    @property
    def fence(self) -> str:
        """What Markdown calls the language."""
        return "sh" if self.language == "curl" else self.language


def base_url() -> str:
    """What an OpenAI client is pointed at: the gateway that is set, else the one of `make gateway` while it runs."""
    address = settings.GATEWAY_URL or running_gateway() or PUBLIC_GATEWAY
    return f"{address.rstrip('/')}/api/v1"


def endpoint() -> str:
    """The gateway's chat completions URL."""
    return f"{base_url()}/chat/completions"


def examples(model: LanguageModel) -> list[Example]:
    """The request of `example_payload` in every language; a streaming model's example reads the stream."""
    payload = example_payload(model)
    text = json_text(payload)
    context = {
        "endpoint": endpoint(),
        "key": EXAMPLE_KEY,
        "stream": payload["stream"],
        "json": text,
        "json_in_shell": text.replace("'", "'\\''"),
        "json_in_csharp": text.replace('"', '""'),
        "json_in_go": text.replace("`", '` + "`" + `'),
        "python": python_text(payload, depth=1),
    }
    return [
        Example(language, name, render_to_string(f"website/public/examples/{language}.txt", context).strip())
        for language, name in LANGUAGES
    ]


def first_request(model: LanguageModel) -> str:
    """The shortest request there is, with cURL: short enough to be seen whole on a phone."""
    payload = {"model": model.slug, "messages": [{"role": "user", "content": "Hello!"}]}
    text = json.dumps(payload, indent=2)
    context = {"endpoint": endpoint(), "key": EXAMPLE_KEY, "stream": False, "json_in_shell": text.replace("'", "'\\''")}
    return render_to_string("website/public/examples/curl.txt", context).strip()


def json_text(value: Any) -> str:
    """JSON as the pages print it."""
    return json.dumps(value, indent=4, ensure_ascii=False)


def python_text(value: Any, depth: int = 0) -> str:
    """A JSON value as a Python literal, indented from `depth` on."""
    inner, outer = "    " * (depth + 1), "    " * depth
    if isinstance(value, dict) and value:
        items = [f"{inner}{json.dumps(name)}: {python_text(each, depth + 1)},\n" for name, each in value.items()]
        return "{\n" + "".join(items) + outer + "}"
    if isinstance(value, list) and value:
        return "[\n" + "".join(f"{inner}{python_text(each, depth + 1)},\n" for each in value) + outer + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
