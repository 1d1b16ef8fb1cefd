"""Settings of django-unfold, which draws the operator console. Read by Django's settings, so it imports nothing."""

from typing import Any

CHROME = "metering.dashboards.console.chrome"

# The customer pages' blue, from light to dark.
PRIMARY = {
    "50": "oklch(97% .014 254.604)",
    "100": "oklch(93.2% .032 255.585)",
    "200": "oklch(88.2% .059 254.128)",
    "300": "oklch(80.9% .105 251.813)",
    "400": "oklch(70.7% .165 254.624)",
    "500": "oklch(62.3% .214 259.815)",
    "600": "oklch(54.6% .245 262.881)",
    "700": "oklch(48.8% .243 264.376)",
    "800": "oklch(42.4% .199 265.638)",
    "900": "oklch(37.9% .146 265.522)",
    "950": "oklch(28.2% .091 267.935)",
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
