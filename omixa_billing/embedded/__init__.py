"""PostgreSQL and Redis from wheels, under `OMIXA_HOME`, used unless the user names servers of their own."""
