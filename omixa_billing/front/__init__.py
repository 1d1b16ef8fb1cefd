"""What owns HOST:PORT: it waits for slow clients in an event loop, so that no thread and no database connection does.

A request's head is looked at first, its body is read within bounds of size and time, and only what is complete reaches Django:
the gateway's endpoints in threads of this process, everything else in the page processes (docs/decisions/0016).
"""
