"""Every format with every choice of an import: what is asked for is what is set, and a dry run sets nothing."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from metering.catalogue.imports.models import PriceImport
from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.providers.models import ProviderPrice
from workspaces.models import AuditEntry

pytestmark = pytest.mark.django_db

# Two models each, at USD 2 and 8, and 3 and 15, for a million tokens.
FILES = {
    "litellm": json.dumps(
        {
            "omni/one": {
                "mode": "chat",
                "litellm_provider": "omni",
                "input_cost_per_token": 2e-06,
                "output_cost_per_token": 8e-06,
            },
            "omni/two": {
                "mode": "chat",
                "litellm_provider": "omni",
                "input_cost_per_token": 3e-06,
                "output_cost_per_token": 1.5e-05,
            },
        }
    ),
    "openrouter": json.dumps(
        {
            "data": [
                {"id": "omni/one", "pricing": {"prompt": "0.000002", "completion": "0.000008"}},
                {"id": "omni/two", "pricing": {"prompt": "0.000003", "completion": "0.000015"}},
            ]
        }
    ),
    "csv": "provider,model,input,output\nomni,omni/one,2,8\nomni,omni/two,3,15\n",
}
RATES = {"one": (Decimal(2), Decimal(8)), "two": (Decimal(3), Decimal(15))}
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def run(file: Path, *arguments: str) -> Any:
    out = StringIO()
    call_command("import_prices", str(file), *arguments, stdout=out)
    return json.loads(out.getvalue())


def written(tmp_path: Path, file_format: str, text: str) -> Path:
    file = tmp_path / f"prices.{'csv' if file_format == 'csv' else 'json'}"
    file.write_text(text)
    return file


def nothing_set() -> bool:
    tables = (PriceVersion, ProviderPrice, PriceImport, LanguageModel, AuditEntry)
    return not any(table.objects.exists() for table in tables)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    ("file_format", "markup", "only", "provider_cost", "later"),
    [
        *product(FILES, [None, "20%", "-0.5"], [None, "*one"], [False], [False, True]),
        *product(FILES, [None], [None, "*one"], [True], [False, True]),
    ],
)
def test_what_is_asked_for_is_what_is_set(
    tmp_path: Path, file_format: str, markup: str | None, only: str | None, provider_cost: bool, later: bool, named: bool
) -> None:
    file = written(tmp_path, file_format, FILES[file_format])
    asked = [
        *(["--format", file_format] if named or file_format != "litellm" else []),
        *([f"--markup={markup}"] if markup else []),
        *(["--only", only] if only else []),
        *(["--provider-cost"] if provider_cost else []),
        *(["--effective-from", "2027-01-01T00:00:00Z"] if later else []),
    ]
    names = ["one"] if only else ["one", "two"]
    dry = run(file, *asked)
    assert (dry["new"], dry["refused"], dry["applied"]) == (len(names), [], False)
    assert nothing_set()

    done = run(file, *asked, "--apply")
    assert done == dry | {"applied": True}
    book: Any = ProviderPrice if provider_cost else PriceVersion
    times = {None: Decimal(1), "20%": Decimal("1.2"), "-0.5": Decimal("0.5")}[markup]
    found = {
        each.model.slug.removeprefix("omni/"): (each.input_rate, each.output_rate)
        for each in book.objects.select_related("model")
    }
    assert found == {name: (RATES[name][0] * times, RATES[name][1] * times) for name in names}
    if provider_cost:
        assert set(ProviderPrice.objects.values_list("provider", flat=True)) == {"omni"}
    assert (PriceVersion if provider_cost else ProviderPrice).objects.count() == 0
    begins = set(book.objects.values_list("effective_from", flat=True))
    assert (begins == {LATER}) == later

    again = run(file, *asked, "--apply")
    assert (again["new"], again["changed"], again["unchanged"]) == (0, 0, len(names))
    assert book.objects.count() == len(names)


HOSTILE = {
    "litellm": [
        "",
        "null",
        "[]",
        "7",
        '"x"',
        "{",
        '{"m": 7}',
        "[" * 100_000,
        '{"m": {"a": ' * 5_000,
        '{"m\\u0000": {}}',
        "\x00",
    ],
    "openrouter": ["", "null", "[]", "{}", '{"data": 7}', '{"data": [7]}', '{"data": [{"id": 7}]}', "[" * 100_000, "\x00"],
    "csv": ["", "\n", "model,model\n", "model,input,output,moons\n", 'model,input,output\n"', "\x00,\x00\n"],
}


@pytest.mark.parametrize("provider_cost", [False, True])
@pytest.mark.parametrize(("file_format", "text"), [(each, text) for each in FILES for text in HOSTILE[each]])
def test_a_hostile_file_is_refused_in_one_sentence_and_sets_nothing(
    tmp_path: Path, file_format: str, text: str, provider_cost: bool
) -> None:
    file = written(tmp_path, file_format, text)
    asked = ["--format", file_format, "--apply", *(["--provider-cost"] if provider_cost else [])]
    with pytest.raises(CommandError, match=r"\A[^\n]+\Z"):
        run(file, *asked)
    assert nothing_set()


@pytest.mark.parametrize("file_format", FILES)
def test_what_providers_charge_has_no_markup(tmp_path: Path, file_format: str) -> None:
    file = written(tmp_path, file_format, FILES[file_format])
    with pytest.raises(CommandError, match="provider costs are imported unchanged"):
        run(file, "--format", file_format, "--provider-cost", "--markup=20%", "--apply")
    assert nothing_set()
