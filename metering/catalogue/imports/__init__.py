"""Prices from files of others: what they say (readers), what that would change (plan), and doing it (apply)."""
