"""A LiteLLM of an operator's own, with the plug-in installed as its README says, in front of the tests' product."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from world import GATEWAY_PYTHON, PYTHON, REPOSITORY, SECONDS_TO_START, World, free_port, until

PLUGIN = REPOSITORY / "integrations" / "litellm"
README = (PLUGIN / "README.md").read_text()


def block_of_readme(contains: str) -> str:
    """The indented block that has these words, as a person copies it."""
    blocks = re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", README, re.MULTILINE)
    (block,) = [each for each in blocks if contains in each]
    return "\n".join(line[4:] for line in block.splitlines())


class Installed:
    """`more` is added to the README's configuration; without `plugged`, LiteLLM alone."""

    def __init__(
        self, world: World, folder: Path, more: dict[str, Any], environment: dict[str, str] | None = None, plugged: bool = True
    ) -> None:
        self.folder, self.port, self.echo_port = folder, free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        configuration = yaml.safe_load(block_of_readme("custom_auth")) if plugged else {}
        echo = {"api_base": f"http://127.0.0.1:{self.echo_port}", "api_key": "x"}
        openai = {**echo, "api_base": f"{echo['api_base']}/v1"}
        models = [
            {"model_name": "echo-plain", "litellm_params": {"model": "openai/echo-plain", **openai}},
            {"model_name": "echo-other", "litellm_params": {"model": "anthropic/echo-other", **echo}},
        ]
        for name, settings in {"model_list": models, **more}.items():
            old = configuration.get(name)
            configuration[name] = {**old, **settings} if isinstance(old, dict) else settings
        self._configuration = configuration
        self._write_configuration()
        self.master_key = f"sk-{secrets.token_hex(32)}"
        mine = {
            "LITELLM_MASTER_KEY": self.master_key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_TELEMETRY": "False",
            "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'installed'}",
        }
        if plugged:
            install(folder / "installed")
            mine |= variables_of_readme(world, f"installed at {folder.name}")
        self.environment = world.environment | mine | (environment or {})
        self.running: list[subprocess.Popen[bytes]] = []
        self.world = world

    def set_models(self, models: Iterable[dict[str, Any]]) -> None:
        """In place of the two that there are: before it starts."""
        self._configuration["model_list"] = list(models)
        self._write_configuration()

    def _write_configuration(self) -> None:
        (self.folder / "litellm.yaml").write_text(yaml.safe_dump(self._configuration))

    def __enter__(self) -> "Installed":
        echo = REPOSITORY / "integrations" / "echo_provider.py"
        self._start([GATEWAY_PYTHON, str(echo), "--port", str(self.echo_port)])
        litellm = str(Path(GATEWAY_PYTHON).parent / "litellm")
        self._start([litellm, "--config", "litellm.yaml", "--host", "127.0.0.1", "--port", str(self.port)])
        until(lambda: self.world.answers(f"{self.url}/health/liveliness"), SECONDS_TO_START, self.log)
        return self

    def __exit__(self, *_: object) -> None:
        for program in reversed(self.running):
            program.send_signal(signal.SIGTERM)
        for program in self.running:
            program.wait(60)

    def log(self) -> str:
        return (self.folder / "litellm.log").read_text(errors="replace")

    def _start(self, command: list[str]) -> None:
        with (self.folder / "litellm.log").open("ab") as log:
            self.running.append(
                subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True)
            )


def install(target: Path) -> None:
    """`pip install ./integrations/litellm`, of a copy, as it writes beside what it builds; what it needs is there already."""
    copy = target.parent / "copy"
    shutil.copytree(PLUGIN, copy, ignore=shutil.ignore_patterns("__pycache__", "*tests"))
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run([*command, "--target", str(target), str(copy)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def variables_of_readme(world: World, name: str) -> dict[str, str]:
    """Those of the README, and no others, with values of the tests' product."""
    names = re.findall(r"^([A-Z_]+)=", block_of_readme("OMIXA_URL="), re.MULTILINE)
    values = {"OMIXA_URL": world.url, "OMIXA_GATEWAY_TOKEN": world.manage("create_gateway", name)["token"]}
    assert sorted(names) == sorted(values)
    return {each: values[each] for each in names}


def records(path: Path) -> list[dict[str, Any]]:
    """What a callback of the tests wrote, one object a line."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
