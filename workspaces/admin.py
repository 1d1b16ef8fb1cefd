"""Gathers the operator console's pages of this app for Django."""

from workspaces.console import gateways, keys, people, trail, workspaces

__all__ = ["gateways", "keys", "people", "trail", "workspaces"]
