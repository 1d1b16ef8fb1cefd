"""Answers for static files."""

from whitenoise.middleware import WhiteNoiseMiddleware


class ServeStaticFiles(WhiteNoiseMiddleware):
    """A name that holds a hash never means another file: browsers keep it for a year."""

    FOREVER = 365 * 24 * 60 * 60
