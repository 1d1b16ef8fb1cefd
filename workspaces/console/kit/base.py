"""What every table of the operator console shares: operators may look, and change only what the product can stand behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ClassVar, cast

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.forms import PaginationInlineFormSet

from workspaces import audit
from workspaces.console.kit import wrong_filters
from workspaces.console.kit.widgets import FoundRow, could_name, is_number_spelled_otherwise
from workspaces.models import User, Workspace

# What the path calls a row's primary key: `id` is Django's word on the page of a password.
ROW_IN_PATH = ("object_id", "id")
# The last word of a parameter that names a row.
ROW_IN_QUERY = ("id", "pk", "workspace")


def is_operator(request: HttpRequest) -> bool:
    """`is_staff` makes an operator; Django's own permission tables are not used."""
    user = request.user
    return bool(user.is_active and user.is_staff)


def actor_of(request: HttpRequest) -> str:
    """Whom the audit trail names for what this request does."""
    return request.user.get_username()


def operator_of(request: HttpRequest) -> User:
    """The person at the console."""
    return cast(User, request.user)


def name_in_trail(row: Model) -> str:
    """The id that the audit trail and the API use for a row."""
    return str(getattr(row, "public_id", None) or row)


class OperatorAdmin(ModelAdmin):
    """A table of the console. Nothing can be added, changed or deleted unless the class says so; all of it is audited."""

    may_add: ClassVar[bool] = False
    may_change: ClassVar[bool] = False
    may_delete: ClassVar[bool] = False
    # What the menu calls the table, where that is not what Django calls its rows.
    called: ClassVar[str] = ""
    # What an empty list says: where its rows come from.
    when_empty: ClassVar[str] = ""
    # Fields that links of ours narrow the list by, beside its filters.
    links_narrow_by: ClassVar[tuple[str, ...]] = ("id",)
    # Counts beside each filter's choices would read the whole table once per choice.
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_filter_submit = True
    compressed_fields = True
    actions: Any = ()

    @property
    def menu_name(self) -> str:
        """One name in the menu, the heading and the browser's title."""
        return self.called or capfirst(str(self.opts.verbose_name_plural))

    @property
    def list_link(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def heading_of(self, row: Any) -> str:
        """What the page of a row is called."""
        return getattr(row, "name", None) or str(row)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None, **rest: Any) -> HttpResponse:
        if (elsewhere := wrong_filters.without_doubled_error(request)) is not None:
            return elsewhere
        answer = super().changelist_view(request, {"title": self.menu_name} | (extra_context or {}), **rest)
        wrong_filters.say_what_is_wrong(request, answer)
        return answer

    @property
    def urls(self) -> list[URLPattern]:
        """Every page, also those that a class adds, looks rows up by a number in its one spelling, or not at all: what
        is noted of a look goes by the same number."""
        urls = self.get_urls()
        for each in urls:
            each.callback = self._of_a_row(each.callback)
        return urls

    def _of_a_row(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            named = [kwargs[name] for name in ROW_IN_PATH if name in kwargs]
            if not all(could_name(self.model, each) for each in named):
                raise Http404("No row can have this number.")
            if any(is_number_spelled_otherwise(each) for each in _rows_in(request)):
                raise Http404("A number is written in digits, without zeros before it.")
            return view(request, *args, **kwargs)

        return checked

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """A list is narrowed by its own filters alone. By any field, whatever is stored could be found letter by letter
        from what it shows: a colleague's second factor, a secret's hash."""
        named = lookup.partition(LOOKUP_SEP)[0]
        if named in self._narrowed_by() or not self._is_field(named):  # what is no field is refused with a word on the list
            return super().lookup_allowed(lookup, value, request)
        return False

    def _narrowed_by(self) -> set[str]:
        named = [getattr(each, "parameter_name", each) for each in self.list_filter]
        fields = {each if isinstance(each, str) else each[0] for each in named}
        return {each.partition(LOOKUP_SEP)[0] for each in fields | {*self.links_narrow_by, self.date_hierarchy or ""}}

    def _is_field(self, name: str) -> bool:
        try:
            self.opts.get_field(name)
        except FieldDoesNotExist:
            return False
        return True

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        return super().get_object(request, object_id, from_field or None)  # an empty `_to_field` names no field

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.show_hidden_initial = False  # what a form held at first is not asked back from who sends it
        return field

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        if all(could_name(self.model, each) for each in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            return super().response_action(request, queryset)
        messages.warning(request, "Nothing was done: you chose a row that is not in this list.")
        return None

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", FoundRow(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """A row's page is named by the row and its table; the form of a new one by what it does."""
        if row := context.get("original"):
            name = self.heading_of(row)
            context |= {"title": self.menu_name, "subtitle": name, "heading": name}
        return super().render_change_form(request, context, *args, **kwargs)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_operator(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_operator(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_add and is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may_change and is_operator(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may_delete and is_operator(request)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """One by one, so that rows chosen in the list take the same along as one deleted on its page."""
        for row in queryset:
            self.delete_model(request, row)

    # One trail: what Django would log goes to the audit entries instead.

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        self._record(request, obj, "created", {})

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        self._record(request, obj, "changed", {"changes": changes_in_words(message)})

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            self._record(request, obj, "deleted", {})

    def _record(self, request: HttpRequest, obj: Model, verb: str, detail: dict[str, Any]) -> None:
        workspace = obj if isinstance(obj, Workspace) else getattr(obj, "workspace", None)
        action = f"{obj._meta.model_name}.{verb}"
        audit.record(actor_of(request), action, name_in_trail(obj), workspace, now=timezone.now(), **detail)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """A row's history is its entries in the audit trail."""
        row = self.get_object(request, object_id)
        trail = reverse("admin:workspaces_auditentry_changelist")
        return HttpResponseRedirect(f"{trail}?target={name_in_trail(row)}" if row else trail)


def _rows_in(request: HttpRequest) -> Iterator[str]:
    """The values of the address's parameters that name rows: `id`, `workspace`, `invoice__workspace__id__exact`."""
    for name, values in request.GET.lists():
        if name.removesuffix("__exact").rpartition(LOOKUP_SEP)[2] in ROW_IN_QUERY:
            yield from values


class PagedRows(PaginationInlineFormSet):
    """A page that is no number is the first one, where the library's own fails."""

    def get_page_num(self) -> int:
        try:
            return super().get_page_num()
        except ValueError:
            return 1

    def total_form_count(self) -> int:
        """Rows that are only shown are never more than there are, whatever a form that is sent says of them."""
        return min(super().total_form_count(), len(self.get_queryset()))


class ReadOnlyInline(TabularInline):
    """Rows shown on their parent's page, never edited there."""

    formset = PagedRows
    extra = 0
    can_delete = False
    hide_title = True

    @display(description="")
    def page(self, row: Model) -> SafeString:
        """A link to the row's own page, for `fields`."""
        link = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        return format_html('<a class="console-link" href="{}">open</a>', link)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_operator(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def changes_in_words(message: Any) -> list[str]:
    """Django's list of what a form changed, as short sentences: `changed name, email`."""
    if isinstance(message, str):
        return [message]
    words = []
    for part in message:
        for verb, what in part.items():
            about = f" {what['name']} {what['object']}" if "object" in what else ""
            fields = f": {', '.join(what['fields'])}" if what.get("fields") else ""
            words.append(f"{verb}{about}{fields}")
    return words
