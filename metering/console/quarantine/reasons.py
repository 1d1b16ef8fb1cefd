"""Why an event is in the quarantine, in an operator's words, and what can be done about it."""

from __future__ import annotations

from typing import NamedTuple


class ReasonText(NamedTuple):
    """`words` for a heading, `advice` in one or two sentences."""

    words: str
    advice: str


FIX_FORM = "Correct the field that the message names with “Edit and replay”, and have the gateway's sender corrected."
REASONS = {
    "invalid_event": ReasonText("Does not match the contract", FIX_FORM),
    "invalid_correction": ReasonText("A correction that does not match the contract", FIX_FORM),
    "invalid_litellm_payload": ReasonText(
        "Not a LiteLLM payload",
        "Only what could be read of its identity was kept. Write the event in our form with “Edit and replay”, "
        "or have it sent again.",
    ),
    "served_tier_unknown": ReasonText(
        "The served tier is not known",
        "Name the service tier that the provider billed with “Edit and replay”: the tier asked for may not be the one served.",
    ),
    "invalid_cloudevent": ReasonText(
        "Not a CloudEvent", "Take the event out of its envelope with “Edit and replay”, and have the collector corrected."
    ),
    "usage_missing": ReasonText(
        "Without token counts",
        "Add the provider's counts with “Edit and replay”. If nothing was used, replay it with status “failed”, or dismiss it.",
    ),
    "usage_inconsistent": ReasonText(
        "Its token counts contradict each other",
        "Find out from the provider which count is right, or name the dialect, and correct it with “Edit and replay”.",
    ),
    "usage_name_repeated": ReasonText(
        "A name that stands twice in its usage",
        "Find out from the provider which one is right, and state it once with “Edit and replay”.",
    ),
    "usage_not_understood": ReasonText(
        "Numbers in its usage that are not understood",
        "Say once what such a number is, under Quarantine, Numbers not understood: that sets free all events that wait for it. "
        "Where only this event is wrong, correct it with “Edit and replay”.",
    ),
    "service_tiers_differ": ReasonText(
        "The event and its usage name different service tiers",
        "Find out which tier the provider billed, and correct service_tier with “Edit and replay”.",
    ),
    "usage_too_large": ReasonText(
        "More tokens than one response can have", "Correct the count with “Edit and replay”, or dismiss it if it was a test."
    ),
    "unknown_key": ReasonText(
        "Its key is not known",
        "Replay it as it is once the key exists here. If the gateway sent a wrong id, edit key_id; "
        "if nobody owns it, dismiss it.",
    ),
    "admin_key": ReasonText(
        "An admin key cannot call models", "Edit key_id to the live key that made the request, and replay it."
    ),
    "occurred_at_in_the_future": ReasonText(
        "Its time is in the future",
        "Correct the gateway's clock. Once the time it names has come, the event can be replayed as it is; "
        "edit occurred_at if the month matters.",
    ),
    "occurred_at_too_old": ReasonText(
        "More than 400 days old",
        "So old usage is not billed. Edit occurred_at if it is wrong, or else dismiss it.",
    ),
    "occurred_at_out_of_range": ReasonText("Its time is outside the calendar", "Edit occurred_at and replay it."),
    "metadata_too_large": ReasonText("Too much metadata", "Shorten metadata to 4 KiB with “Edit and replay”."),
    "refused_by_database": ReasonText(
        "The database refused it", "Correct the value that the message names; if the value looks right, please report a bug."
    ),
    "identity_taken": ReasonText(
        "Another event has its request id and attempt",
        "The first one is recorded and billed. Dismiss this one if it is the same response in other words; "
        "give it another attempt with “Edit and replay” if it was a response of its own.",
    ),
    "unknown_event": ReasonText(
        "The event it corrects is not here",
        "It is applied automatically as soon as the event arrives. Edit a wrong request id or attempt, or dismiss it.",
    ),
    "wrong_key": ReasonText(
        "The event was called with another key", "Edit key_id to the key of the event that it corrects, and replay it."
    ),
    "sent_by_another_gateway": ReasonText(
        "Another gateway sent the event it corrects",
        "Replay it if the correction is right: it is then applied in your name. Dismiss it, and look into the gateway, if "
        "nobody knows of it. A gateway that is to correct for others is given that under “Reach” on its page.",
    ),
    "sender_not_recorded": ReasonText(
        "It is not known which gateway sent the event it corrects",
        "Replay it if the correction is right: it is then applied in your name. Otherwise dismiss it.",
    ),
    "wrong_workspace": ReasonText(
        "Its gateway is not bound to this workspace",
        "Replay it if the usage is real, and bind the gateway to the workspace under “Reach” on its page if more is to come. "
        "Dismiss it if the gateway should not send for that workspace.",
    ),
    "gateway_revoked": ReasonText(
        "Its gateway was revoked before it came",
        "Replay it if it is known to be real usage, such as what a gateway had left to send. Dismiss it if the gateway was "
        "revoked because its token was lost.",
    ),
    "unknown_gateway": ReasonText(
        "It does not name a gateway of this installation",
        "Have the gateway publish to a queue of its own, which says who it is. Replay it if it is known whose usage it is.",
    ),
    "wrong_gateway": ReasonText(
        "It came through another gateway's queue",
        "Have the gateway leave its id out, or correct it. Replay it if it is known to be real usage.",
    ),
    "other_task": ReasonText(
        "A message that asks for another task",
        "Nothing was run. A gateway has no reason to send this: find out who holds its credentials, then dismiss it.",
    ),
    "malformed_message": ReasonText(
        "A message that cannot be read",
        "Have the gateway publish with Celery's defaults, and send it again. Then dismiss this one.",
    ),
    "message_too_large": ReasonText(
        "A message too large to be opened", "Have its events sent again in several messages, then dismiss it."
    ),
    "not_applied": ReasonText("It could not be applied", "Replay it; if it fails again, the message says what to correct."),
}
OTHER = ReasonText("Refused", "The message says why. Correct the content with “Edit and replay”, or dismiss the event.")


def reason_of(code: str) -> ReasonText:
    """What is known of a code; a code of a newer version than this page is shown as it is."""
    return REASONS.get(code) or OTHER._replace(words=code.replace("_", " ").capitalize())
