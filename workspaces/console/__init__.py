"""The operator console's room for workspaces: people, workspaces, keys, gateways and the audit trail."""
