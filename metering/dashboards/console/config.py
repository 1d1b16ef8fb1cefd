"""Settings of django-unfold, which draws the operator console. Read by Django's settings, so it imports nothing."""

from typing import Any

CHROME = "metering.dashboards.console.chrome"

# The customer pages' indigo, from light to dark.
PRIMARY = {
    "50": "oklch(97% .016 277)",
    "100": "oklch(94% .032 277)",
    "200": "oklch(88% .062 277)",
    "300": "oklch(80% .105 277)",
    "400": "oklch(72% .145 277)",
    "500": "oklch(60% .19 275)",
    "600": "oklch(47% .2 272)",
    "700": "oklch(43% .19 272)",
    "800": "oklch(37% .16 273)",
    "900": "oklch(32% .12 275)",
    "950": "oklch(25% .09 276)",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Omixa billing",
    "SITE_HEADER": "Omixa billing",
    "SITE_SUBHEADER": "Operator console",
    "SITE_SYMBOL": "monitoring",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": f"{CHROME}.favicon"}],
    # A row's history is its entries in the audit trail.
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "ENVIRONMENT": f"{CHROME}.environment",
    "DASHBOARD_CALLBACK": "metering.dashboards.console.overview.dashboard",
    "STYLES": [f"{CHROME}.stylesheet"],
    "COLORS": {"primary": PRIMARY},
    "ACCOUNT": {"navigation": f"{CHROME}.account_links"},
    "SIDEBAR": {
        "show_search": False,
        "command_search": True,
        "show_all_applications": False,
        "navigation": f"{CHROME}.sidebar",
    },
    "COMMAND": {"search_models": False, "search_callback": f"{CHROME}.search", "show_history": False},
}
