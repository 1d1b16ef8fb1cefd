"""The code on the model pages, run as it stands there: only the key is filled in."""

import html
import re
import shutil
import subprocess
import time
import urllib.request
from decimal import Decimal
from pathlib import Path

import pytest
from world import GATEWAY_PYTHON, Workspace, World, until

RUN = {
    "curl": (["sh"], ".sh"),
    "python": ([GATEWAY_PYTHON], ".py"),
    "javascript": (["node"], ".mjs"),
    "php": (["php"], ".php"),
    "go": (["go", "run"], ".go"),
}
MODELS = ("codex-mini", "o1-preview", "computer-use-preview", "grok-3")


def example(world: World, model: str, language: str) -> str:
    """As the page's Markdown has it."""
    with urllib.request.urlopen(f"{world.url}/models/{model}?format=md", timeout=30) as response:
        page = response.read().decode()
    fence = "sh" if language == "curl" else language
    found = [code for code in re.findall(rf"```{fence}\n(.*?)```", page, re.DOTALL) if "lookup_order" in code]
    return html.unescape(found[0])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("language", RUN)
def test_an_example_runs_as_it_stands_on_the_page_and_is_billed_a_second_later(
    world: World, workspace: Workspace, tmp_path: Path, language: str, model: str
) -> None:
    command, ending = RUN[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed here")
    code = example(world, model, language)
    assert f"{world.gateway}/api/v1/chat/completions" in code
    before = billed(world, workspace, model)
    file = tmp_path / f"example{ending}"
    file.write_text(code.replace("omx_live_xxx", workspace.live_key))
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, timeout=120)
    answered = time.monotonic()
    assert done.returncode == 0, done.stderr
    assert "choices" in done.stdout, done.stdout + done.stderr
    until(lambda: billed(world, workspace, model) > before, 30, world.tail("gateway"))
    print(f"{language} {model}: on the invoice's preview {time.monotonic() - answered:.2f} s after the answer")


def billed(world: World, workspace: Workspace, model: str) -> Decimal:
    """What the running month's invoice says of this model, in USD."""
    lines = world.ask("/api/v1/invoices/upcoming", workspace.admin_key)["lines"]
    return sum((Decimal(line["amount_exact"]) for line in lines if line["model"] == model), Decimal(0))
