"""An invoice or a credit note as PDF, typeset by typst in this process. The same document gives the same bytes.

Latin, Greek, Cyrillic, Arabic, Hebrew, Thai, Devanagari, Chinese, Japanese and Korean come with the product; for other
scripts, or a typeface of the house, INVOICE_FONTS names a folder of fonts.
"""

import json
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import cvttf_NotoSansCJK_Regular
import typst
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.documents.credit_note import credit_note_context
from metering.invoicing.documents.invoice import Row, invoice_context
from metering.invoicing.models import Invoice
from omixa_billing.embedded import home

DOCUMENT, ANNEX = "document.typ", "annex.typ"
FONTS = {"FiraGO-Regular.otf": "pymupdf_fonts.FiraGO_Regular", "FiraGO-Bold.otf": "pymupdf_fonts.FiraGO_Bold"}
CJK = Path(cvttf_NotoSansCJK_Regular.__file__).parent
PAPERS = ("a4", "us-letter")
MARKS = {Invoice.Status.DRAFT: "DRAFT", Invoice.Status.VOID: "VOID", Invoice.Status.UNCOLLECTIBLE: ""}


def invoice_pdf(invoice: Invoice) -> bytes:
    """Says what the invoice's page said when it was issued. Raises ImproperlyConfigured for a logo, paper or colour that
    cannot be used.
    """
    context, currency = invoice_context(invoice, as_issued=True), invoice.currency
    rows = [{"title": section.title, "rows": [cells(row) for row in section.rows]} for section in context["sections"]]
    return typeset(
        context,
        notes=[context["note"], *context["notes"], context["instructions"]],
        headline=("Amount due", f"{currency} {context['amount_due']}"),
        columns=["Description", "Quantity", f"{currency} per million", f"Exact {currency}", currency],
        sections=rows,
        totals=context["totals"],
        last=("Amount due", f"{currency} {context['amount_due']}"),
        small=context["exact_note"],
        mark=MARKS.get(Invoice.Status(invoice.status), ""),
    )


def cells(row: Row) -> list[str]:
    return [row.description, row.quantity, row.rate, row.exact, row.amount]


def credit_note_pdf(note: CreditNote) -> bytes:
    """Says what the credit note's page says."""
    context = credit_note_context(note)
    return typeset(
        context,
        notes=[note.reason],
        headline=("Credited", f"{note.currency} {context['total']}"),
        columns=["Description", note.currency],
        sections=[{"title": "", "rows": [list(row) for row in context["rows"]]}],
        totals=context["totals"],
        last=("Total credited", f"{note.currency} {context['total']}"),
        small="; ".join(f"{name}: {amount} {note.currency}" for name, amount in context["settled"]),
        mark="",
    )


def typeset(context: dict[str, Any], notes: list[str], **parts: Any) -> bytes:
    about = {name: context[name] for name in ("title", "seller", "buyer", "facts")}
    return compiled(DOCUMENT, about | {"notes": [note for note in notes if note], "logo": logo(), **parts})


def compiled(template: str, data: dict[str, Any], tags: bool = True) -> bytes:
    """`tags` let a screen reader find its way through tables; they make a file of thousands of rows ten times as large."""
    data = {"accent": settings.INVOICE_ACCENT_COLOR, "paper": paper(), **data}
    try:
        made: bytes = typst.compile(
            str(Path(__file__).with_name(template)),
            root="/",
            font_paths=font_folders(),
            ignore_system_fonts=True,
            sys_inputs={"data": json.dumps(data)},
            timestamp=0,
            pdf_tags=tags,
        )
    except typst.TypstError as error:
        advice = "The document could not be made: look at INVOICE_LOGO and INVOICE_ACCENT_COLOR."
        raise ImproperlyConfigured(f"{advice} {error}") from None
    return made


def pdf_response(pdf: bytes, number: str) -> HttpResponse:
    """Shown in the browser, and saved under the document's number, which is plain ASCII."""
    headers = {"Content-Disposition": f'inline; filename="{number}.pdf"', "Cache-Control": "private, no-store"}
    return HttpResponse(pdf, content_type="application/pdf", headers=headers)


def paper() -> str:
    if settings.INVOICE_PAPER not in PAPERS:
        raise ImproperlyConfigured(f"INVOICE_PAPER is one of {', '.join(PAPERS)}, not {settings.INVOICE_PAPER}.")
    return str(settings.INVOICE_PAPER)


def logo() -> str:
    if not settings.INVOICE_LOGO:
        return ""
    path = Path(settings.INVOICE_LOGO).resolve()
    if not path.is_file():
        raise ImproperlyConfigured(f"INVOICE_LOGO is not a file: {path}.")
    return str(path)


def font_folders() -> list[str]:
    return [str(own_fonts()), str(CJK), *([settings.INVOICE_FONTS] if settings.INVOICE_FONTS else [])]


@lru_cache(maxsize=1)
def own_fonts() -> Path:
    """FiraGO as files, which it does not come as: typst reads no others."""
    folder = home.make_directory(home.home_folder() / "fonts")
    for name in FONTS:
        path, font = folder / name, own_font(name)
        if not path.is_file() or path.stat().st_size != len(font):
            # Of its own name each time: two first documents may be asked for at once.
            with NamedTemporaryFile(dir=folder, delete=False) as draft:
                draft.write(font)
            Path(draft.name).replace(path)
    return folder


def own_font(name: str) -> bytes:
    """Imported with the first document: every process of the product would unpack the fonts at its start."""
    return bytes(import_module(FONTS[name]).fontbuffer)
