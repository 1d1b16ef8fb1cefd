"""Credit notes, as they print. The page of their invoice names them."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.documents.credit_note import credit_note_page
from metering.invoicing.documents.issued import issued_credit_note
from metering.invoicing.documents.pdf import pdf_response
from metering.website.member import member_page
from workspaces.access.authentication import Caller
from workspaces.downloads import limited_download


@member_page("may_see_invoices")
def credit_note_print(request: HttpRequest, caller: Caller, credit_note_id: str) -> HttpResponse:
    """The document alone."""
    return credit_note_page(request, _credit_note(caller, credit_note_id))


@member_page("may_see_invoices")
def credit_note_download(request: HttpRequest, caller: Caller, credit_note_id: str) -> HttpResponseBase:
    """The same as PDF."""
    note = _credit_note(caller, credit_note_id)
    return limited_download(request, caller, lambda: pdf_response(issued_credit_note(note), note.number))


def _credit_note(caller: Caller, credit_note_id: str) -> CreditNote:
    notes = CreditNote.objects.select_related("invoice").filter(invoice__workspace=caller.workspace)
    return get_object_or_404(notes, public_id=credit_note_id)
