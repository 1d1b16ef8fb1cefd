"""Where the product keeps its data."""

from omixa_billing.embedded import home, postgres
from omixa_billing.settings.environment import env

DATABASES = {"default": postgres.database_settings() if home.uses_embedded_postgres() else env.db("DATABASE_URL")}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=600)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 3)
CACHES = {"default": {"BACKEND": "workspaces.shared_cache.SharedCache"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"  # small ids keep the large tables narrow; those say BigAutoField
