"""Gathers the operator console's pages of this app for Django."""

from workspaces.console import gateways, invitations, keys, operator_keys, people, trail, workspaces

__all__ = ["gateways", "invitations", "keys", "operator_keys", "people", "trail", "workspaces"]
