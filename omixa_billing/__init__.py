"""Wiring only: settings, addresses, Celery, embedded services, errors into responses. No tables, no rules."""
