"""Limits that count in a Redis of their own."""

from tests.kit.limits import counting, redis_socket

__all__ = ["counting", "redis_socket"]
