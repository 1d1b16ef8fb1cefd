"""The icons of the pages, drawn on 16 by 16 in strokes: what goes inside each <svg>."""

ICONS = {
    "overview": (
        '<rect x="2" y="2" width="5" height="6" rx="1"/><rect x="9" y="2" width="5" height="3.5" rx="1"/><rect'
        ' x="2" y="10.5" width="5" height="3.5" rx="1"/><rect x="9" y="8" width="5" height="6" rx="1"/>'
    ),
    "usage": '<path d="M2 14h12M4 11V8M8 11V3M12 11V6"/>',
    "events": '<path d="M5.5 4H14M5.5 8H14M5.5 12H14M2.2 4h.1M2.2 8h.1M2.2 12h.1"/>',
    "key": '<circle cx="5.2" cy="10.8" r="3"/><path d="m7.4 8.6 6-6M11 5l2 2M9 7l1.3 1.3"/>',
    "gauge": '<path d="M2.5 12.5a6.3 6.3 0 1 1 11 0M8 9.5l2.8-3.3"/><circle cx="8" cy="9.8" r="1"/>',
    "invoice": '<path d="M3.5 1.8v12.4l1.8-1.2 1.7 1.2 1.8-1.2 1.8 1.2 1.9-1.2V1.8zM6 5.3h4M6 8.3h4"/>',
    "card": '<rect x="1.8" y="3.5" width="12.4" height="9" rx="1.5"/><path d="M1.8 6.5h12.4M4.5 10h2.5"/>',
    "model": '<path d="m8 1.8 5.4 3.1v6.2L8 14.2l-5.4-3.1V4.9zM2.8 5 8 8l5.2-3M8 8v6"/>',
    "settings": (
        '<path d="M2 4.5h6M12 4.5h2M2 11.5h2M8 11.5h6"/><circle cx="10" cy="4.5" r="1.9"/><circle cx="6" cy="11.5" r="1.9"/>'
    ),
    "people": (
        '<circle cx="6" cy="5.5" r="2.5"/><path d="M1.5 13.5c.3-2.6 2-4 4.5-4s4.2'
        ' 1.4 4.5 4M10.5 3.3a2.5 2.5 0 0 1 0 4.5M12 9.8c1.5.5 2.3 1.7 2.5 3.7"/>'
    ),
    "person": '<circle cx="8" cy="5.2" r="2.8"/><path d="M2.8 14c.4-3 2.3-4.5 5.2-4.5s4.8 1.5 5.2 4.5"/>',
    "shield": '<path d="M8 1.8 3 3.7v4c0 3 2 5.3 5 6.5 3-1.2 5-3.5 5-6.5v-4zM6 8l1.5 1.5L10.3 6.6"/>',
    "out": '<path d="M6 2.5H3.5a1 1 0 0 0-1 1v9a1 1 0 0 0 1 1H6M10.5 11 13.5 8l-3-3M13.5 8H6"/>',
    "copy": (
        '<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5V4A1.5'
        ' 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5"/>'
    ),
    "check": '<path d="m3 8.5 3.2 3.2L13 4.8"/>',
    "warn": '<path d="M8 2.2 1.7 13.3h12.6zM8 6.5v3M8 11.4v.1"/>',
    "info": '<circle cx="8" cy="8" r="6"/><path d="M8 7.5v3.3M8 5.2v.1"/>',
    "download": '<path d="M8 2.5v7.5M4.8 7.2 8 10.3l3.2-3.1M2.5 13.5h11"/>',
    "chevrons": '<path d="m5 6 3-3 3 3M5 10l3 3 3-3"/>',
    "menu": '<path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11"/>',
    "theme": '<circle cx="8" cy="8" r="5.8"/><path d="M8 2.2a5.8 5.8 0 0 1 0 11.6z" fill="currentColor"/>',
    "plus": '<path d="M8 3v10M3 8h10"/>',
    "arrow": '<path d="M3 8h10M9 4l4 4-4 4"/>',
    "bolt": '<path d="M9 1.8 3.2 9H7.5L7 14.2 12.8 7H8.5z"/>',
    "console": '<rect x="1.8" y="2.8" width="12.4" height="10.4" rx="1.5"/><path d="m4.5 6 2 2-2 2M8.5 10.3h3"/>',
    "print": '<path d="M4.5 6V2.5h7V6M4.5 11.5h-2V7a1 1 0 0 1 1-1h9a1 1 0 0 1 1 1v4.5h-2M4.5 9.5h7v4h-7z"/>',
}
