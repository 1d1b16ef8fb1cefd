from tests.notifications.cast import _private_addresses, hook, receiver

__all__ = ["_private_addresses", "hook", "receiver"]
