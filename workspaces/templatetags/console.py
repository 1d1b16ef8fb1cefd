"""The pieces of markup that the operators' pages repeat."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_block_tag
def figure_card(content: str, title: str, value: object, mood: str = "", link: str = "", exact: str = "") -> SafeString:
    """One figure and a note about it; with a link the whole card leads there.

    Of the moods, `alert` asks an operator to act, and `calm` says that nothing is to be done.
    """
    classes = f"console-card console-{mood}" if mood else "console-card"
    whole = format_html(' title="{}"', exact) if exact else SafeString("")
    note = mark_safe(content.strip())  # noqa: S308 - rendered by the template, which escapes
    inside = '<h2>{}</h2><p class="console-value"{}>{}</p><p class="console-note">{}</p>'
    figure = format_html(inside, title, whole, value, note)
    if link:
        return format_html('<a class="{}" href="{}">{}</a>', classes, link, figure)
    return format_html('<section class="{}" aria-label="{}">{}</section>', classes, title, figure)
