"""The pieces of markup that the customers' pages repeat: each has its one home here, and a page says only what it is about."""

from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from metering.templatetags.omixa import icon

register = template.Library()

NOTHING = SafeString("")
ICON_OF_TONE = {"": "info", "good": "check", "warn": "warn", "bad": "warn"}
FIGURE, UNSEEN = "#", "-"


def _classes(base: str, kinds: str) -> str:
    """`table` of the kinds "hover stack": table table--hover table--stack."""
    return " ".join([base, *(f"{base}--{kind}" for kind in kinds.split())])


def _content(content: str) -> SafeString:
    return mark_safe(content.strip())  # noqa: S308 - rendered by the template, which escapes


def _paragraph(text: object) -> SafeString:
    return format_html("<p>{}</p>", text) if text else NOTHING


@register.simple_block_tag
def page_head(content: str, title: object, lead: object = "") -> SafeString:
    """The heading of a page and its sentence. Buttons inside stand beside them."""
    beside = format_html('<div class="buttons">{}</div>', _content(content)) if content.strip() else NOTHING
    head = '<div class="page-head"><div class="page-head__text"><h1>{}</h1>{}</div>{}</div>'
    return format_html(head, title, _paragraph(lead), beside)


@register.simple_tag
def crumbs(*parts: object) -> SafeString:
    """The way to a page: an address and its name for each step, then the name of the page itself."""
    pairs = zip(parts[0:-1:2], parts[1::2], strict=False)
    steps = format_html_join("", '<li><a href="{}">{}</a></li>', pairs)
    here = format_html('<li aria-current="page">{}</li>', parts[-1]) if len(parts) % 2 else NOTHING
    return format_html('<ol class="crumbs">{}{}</ol>', steps, here)


@register.simple_block_tag
def notice(content: str, tone: str = "", alert: bool = False, picture: str = "") -> SafeString:
    """Something to know before all else. An alert is read out when it appears."""
    role = mark_safe(' role="alert"') if alert else NOTHING
    markup = '<div class="{}"{}>{}<div>{}</div></div>'
    return format_html(markup, _classes("notice", tone), role, icon(picture or ICON_OF_TONE[tone]), _content(content))


@register.simple_block_tag
def card_head(content: str, title: object, title_id: str = "", lead: object = "", ruled: bool = False) -> SafeString:
    """What a card is about. What stands inside goes to its right."""
    named = format_html(' id="{}"', title_id) if title_id else NOTHING
    heading = format_html("<h2{}>{}</h2>", named, title)
    if lead:
        heading = format_html("<div>{}{}</div>", heading, _paragraph(lead))
    return format_html(
        '<div class="{}">{}{}</div>', _classes("card__head", "ruled" if ruled else ""), heading, _content(content)
    )


@register.simple_block_tag
def empty_state(content: str, title: object, text: object = "", picture: str = "", heading: str = "h2") -> SafeString:
    """In place of a list that has nothing in it: what would stand there, and what to do. Buttons may follow."""
    drawn = format_html('<div class="empty__icon">{}</div>', icon(picture)) if picture else NOTHING
    named = format_html("<{0}>{1}</{0}>", mark_safe(heading), title)  # noqa: S308 - a literal of the template
    return format_html('<div class="empty">{}{}{}{}</div>', drawn, named, _paragraph(text), _content(content))


@register.simple_block_tag
def stat(content: str, name: object, value: object, title: object = "") -> SafeString:
    """One figure of a row of them. What stands inside is the note below it."""
    note = format_html('<dd class="stat__note">{}</dd>', _content(content)) if content.strip() else NOTHING
    whole = format_html(' title="{}"', title) if title else NOTHING
    return format_html('<div class="stat"><dt>{}</dt><dd class="stat__value"{}>{}</dd>{}</div>', name, whole, value, note)


@register.simple_block_tag
def table(content: str, label: object = "", kinds: str = "", labelled_by: str = "") -> SafeString:
    """A table that scrolls sideways where it must; with a label, by the keyboard too. Kinds: hover, stack, dense and more."""
    name = format_html(' aria-label="{}"', label) if label else format_html(' aria-labelledby="{}"', labelled_by)
    reached = format_html(' tabindex="0" role="region"{}', name) if label or labelled_by else NOTHING
    markup = '<div class="table-scroll"{}><table class="{}">{}</table></div>'
    return format_html(markup, reached, _classes("table", kinds), _content(content))


@register.simple_tag
def columns(*names: str) -> SafeString:
    """Heads of columns: `#` before the name of a column of figures, `-` before one that only a screen reader needs."""
    return mark_safe("".join(_column(name) for name in names))  # noqa: S308 - each is escaped


def _column(name: str) -> SafeString:
    if name.startswith(FIGURE):
        return format_html('<th scope="col" class="number">{}</th>', name.removeprefix(FIGURE))
    if name.startswith(UNSEEN):
        return format_html('<th scope="col"><span class="hidden-visually">{}</span></th>', name.removeprefix(UNSEEN))
    return format_html('<th scope="col">{}</th>', name)


@register.simple_tag
def badge(text: object, tone: str = "") -> SafeString:
    """A word about a state, in the tone of what it means: good, warn, bad, accent, or none."""
    return format_html('<span class="{}">{}</span>', _classes("badge", tone), text)


@register.filter
def or_faint(value: object, words: str) -> object:
    """What stands in a cell, or faintly why nothing does."""
    return value or format_html('<span class="faint">{}</span>', words)


@register.simple_tag
def options(pairs: Iterable[tuple[object, object]], chosen: object) -> SafeString:
    """The options of a list, as (value, label)."""
    marked = ((value, " selected" if value == chosen else "", label) for value, label in pairs)
    return format_html_join("", '<option value="{}"{}>{}</option>', marked)


@register.simple_tag
def copy_button(text: object = "", copies: str = "", kinds: str = "quiet small", label: str = "") -> SafeString:
    """Copies a text, or what the element with the id `copies` holds. Only with scripts."""
    what = format_html('data-copy-from="{}"', copies) if copies else format_html('data-copy="{}"', text)
    named = format_html(' aria-label="{}"', label) if label else NOTHING
    markup = '<button class="{} js-only" type="button" {}{}>{}<span data-label>Copy</span></button>'
    return format_html(markup, _classes("button", kinds), what, named, icon("copy"))


@register.simple_block_tag
def code_block(content: str, title: object, code_id: str, label: object = "", kind: str = "") -> SafeString:
    """Text to copy, whole and as it stands, under a bar that names it."""
    attributes: dict[str, Any] = {"class": kind, "id": code_id, "aria-label": label or title}
    written = format_html_join("", ' {}="{}"', ((name, value) for name, value in attributes.items() if value))
    bar = format_html('<div class="code__bar"><span>{}</span>{}</div>', title, copy_button(copies=code_id))
    whole = mark_safe(content)  # noqa: S308 - rendered by the template, which escapes
    return format_html('<div class="code">{}<pre tabindex="0"{}>{}</pre></div>', bar, written, whole)


@register.simple_block_tag
def oneline(content: str) -> SafeString:
    """What a template writes on several lines and a reader needs on one: a sentence of a plain mail, a row of Markdown."""
    return mark_safe(" ".join(content.split()))  # noqa: S308 - rendered by the template, which escapes
