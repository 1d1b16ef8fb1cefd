"""Omixa billing in front of LiteLLM: keys checked, money held, usage delivered.

In LiteLLM's configuration:

    general_settings:
      custom_auth: omixa_litellm.auth
    litellm_settings:
      callbacks: omixa_litellm.callback
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """LiteLLM asks for these two; everything else of the package is usable, and tested, without LiteLLM."""
    if name in ("auth", "callback"):
        from importlib import import_module

        return getattr(import_module("omixa_litellm.hooks"), name)
    raise AttributeError(name)
