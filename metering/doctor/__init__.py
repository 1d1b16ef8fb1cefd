"""What keeps an installation from working, and what to do about it: `manage.py doctor`."""
