"""Settings of django-unfold, which draws the operator console. Read by Django's settings, so it imports nothing."""

from typing import Any

CHROME = "metering.console.chrome"

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Omixa billing",
    "SITE_HEADER": "Omixa billing",
    "SITE_SUBHEADER": "Operator console",
    "SITE_SYMBOL": "monitoring",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": f"{CHROME}.console_favicon"}],
    # A row's history is its entries in the audit trail.
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": f"{CHROME}.environment",
    "DASHBOARD_CALLBACK": "metering.console.overview.dashboard",
    "STYLES": [f"{CHROME}.colours", f"{CHROME}.stylesheet"],
    "SCRIPTS": [f"{CHROME}.script"],
    # As a style element they would need a hole in the Content-Security-Policy: they are in colours.css.
    "COLORS": f"{CHROME}.no_colours",
    "ACCOUNT": {"navigation": f"{CHROME}.account_links"},
    "SIDEBAR": {
        "show_search": False,
        "command_search": True,
        "show_all_applications": False,
        "navigation": f"{CHROME}.sidebar",
    },
    "COMMAND": {"search_models": False, "search_callback": f"{CHROME}.search", "show_history": False},
}
