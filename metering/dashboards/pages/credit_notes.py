"""Credit notes, as they print. The page of their invoice names them."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from metering.dashboards.pages.member import member_page
from metering.invoicing.credit_note_document import credit_note_page
from metering.invoicing.credit_note_models import CreditNote
from workspaces.authentication import Caller


@member_page("may_see_invoices")
def credit_note_print(request: HttpRequest, caller: Caller, credit_note_id: str) -> HttpResponse:
    """The document alone."""
    notes = CreditNote.objects.select_related("invoice").filter(invoice__workspace=caller.workspace)
    return credit_note_page(request, get_object_or_404(notes, public_id=credit_note_id))
