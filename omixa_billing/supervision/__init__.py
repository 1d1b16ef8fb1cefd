"""`make run`: every process of one instance in the foreground, restarted when it dies, stopped together."""
