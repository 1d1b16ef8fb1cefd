"""Every `code` of an error that the documented endpoints answer, as the OpenAPI document enumerates them.

Programs match on these. A test collects the codes from the source and compares.
"""

ANYWHERE = (
    "body_too_slow",
    "host_not_allowed",
    "internal_error",
    "malformed_request",
    "method_not_allowed",
    "not_found",
    "pages_unavailable",
    "storage_unavailable",
    "too_busy",
)
CREDENTIALS = (
    "confirmation_required",
    "invalid_credential",
    "key_frozen",
    "key_is_limited",
    "not_allowed",
    "permission_denied",
    "workspace_suspended",
    "wrong_kind_of_credential",
)
GATEWAY = (
    "balance_unknown",
    "batch_too_large",
    "hold_ended",
    "hold_unknown",
    "inbox_full",
    "malformed_body",
    "request_id_reused",
)
CUSTOMERS = (
    "body_too_large",
    "delivery_being_sent",
    "idempotency_key_required",
    "idempotency_key_reused",
    "invalid_expiry",
    "invalid_grace",
    "invalid_name",
    "invalid_parameter",
    "invoice_not_open",
    "key_expired",
    "key_freezes_itself",
    "key_revoked",
    "kind_not_for_workspace",
    "no_payment_method",
    "parse_error",
    "payment_refused",
    "payment_under_way",
    "range_too_long",
    "rate_limited",
    "sandbox_buys_nothing",
    "scopes_not_for_kind",
    "secret_in_body",
    "stripe_not_configured",
    "stripe_unavailable",
    "too_little_to_pay",
    "too_many_downloads",
    "too_many_parameters",
    "too_many_rows",
    "too_many_top_ups",
    "too_many_webhooks",
    "unsupported_media_type",
    "webhook_disabled",
)
# Beside those of customers, what acts of operators' programs are refused with.
OPERATORS = (
    "invoice_has_payments",
    "invoice_not_draft",
    "invoice_not_void",
    "month_not_ended",
    "nothing_left",
    "nothing_to_bill",
    "not_one_payer",
    "period_locked",
    "workspace_closed",
)
ERROR_CODES = sorted({*ANYWHERE, *CREDENTIALS, *GATEWAY, *CUSTOMERS, *OPERATORS})
