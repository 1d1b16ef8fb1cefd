"""What mails about limits, balances and keys say. Plain texts, as all of them."""

from django.urls import reverse

from metering.payments.mails.mail import BILLING, Mail

Facts = list[tuple[str, str]]
SUBJECTS = {"workspace": "your workspace", "key": "a key", "model": "a model", "user": "an end user"}
DONE = {
    "revoked": "We revoked it: requests with it are refused for good.",
    "frozen": "We froze it: requests with it are refused until an owner or admin unfreezes it.",
}
WHAT_TO_DO = {
    "revoked": "Create a new key, and put it where your program reads its secrets, never in code.",
    "frozen": "Rotate the key, use the new secret, then unfreeze it. Keep it where your program reads secrets, never in code.",
}


def budget_threshold(about: dict[str, str]) -> Mail:
    percent, mode = about["threshold"], about["mode"]
    used_up = int(percent) >= 100
    sentences = [f"{percent} % of a budget of {SUBJECTS[about['scope']]} is spent."]
    if used_up and mode == "hard":
        sentences.append("Requests that it covers are refused until its next window begins, or until its limit is raised.")
    elif used_up:
        sentences.append("It only alerts: requests that it covers still run.")
    if about.get("last"):
        sentences.append(
            "Others that it covers may follow in this window: webhooks report each one, and we send no further mails."
        )
    return Mail(
        f"{percent} % of a budget is spent",
        sentences,
        _budget_facts(about),
        f"/budgets/{about['budget_id']}",
        "See the budget",
    )


def budget_forecast(about: dict[str, str]) -> Mail:
    return Mail(
        "A budget will not last",
        [
            f"At the pace so far, a budget of {SUBJECTS[about['scope']]} is used up before its {about['window']} ends.",
            f"The forecast is {about['forecast']} USD.",
        ],
        [*_budget_facts(about), ("Ends", about["resets_at"])],
        f"/budgets/{about['budget_id']}",
        "See the budget",
    )


def price_changing(about: dict[str, str]) -> Mail:
    one = about["models"] == "1"
    models = "The price of a model that you use changes" if one else f"Prices of {about['models']} models that you use change"
    sentences = [f"{models} on {about['effective_from']}."]
    if about["more"]:
        sentences.append(f"{about['more']} more rates change then. The models' pages show all of them.")
    facts = [(name, change) for name, _, change in (line.partition("|") for line in about["lines"].split("\n"))]
    return Mail(f"Prices change on {about['effective_from'][:10]}", sentences, facts, "/models", "See the prices")


def price_change_withdrawn(about: dict[str, str]) -> Mail:
    facts = [
        (name, f"would have changed on {start}")
        for name, _, start in (each.partition("|") for each in about["lines"].split("\n"))
    ]
    sentences = ["We announced price changes that will not happen: the current prices stay in force."]
    return Mail("Prices do not change as announced", sentences, facts, "/models", "See the prices")


def _budget_facts(about: dict[str, str]) -> Facts:
    covered = [(about["scope"].capitalize(), about["scope_value"])] if about["scope_value"] else []
    return [
        *covered,
        ("Limit", f"{about['limit']} USD per {about['window']}"),
        ("Spent", f"{about['spent']} USD"),
        ("Window began", about["window_start"]),
        ("Budget", about["budget_id"]),
    ]


def balance_low(about: dict[str, str]) -> Mail:
    if about["level"] == "0.00":
        subject, sentence = "Your balance is used up", f"Your prepaid balance is {about['balance']} USD. Live keys are refused."
    else:
        subject = "Your balance is low"
        sentence = f"Your balance is {about['balance']} USD, below the {about['level']} USD at which you asked for a notice."
    return Mail(subject, [sentence], path=BILLING, button="Buy credit")


def key_spend_spike(about: dict[str, str]) -> Mail:
    frozen = "We froze it, as you have set: requests with it are refused until an owner or admin unfreezes it."
    return Mail(
        "A key spends far more than usual",
        [
            f"A key spent {about['spent']} USD within an hour. Its usual hour comes to {about['usual']} USD.",
            frozen if about["frozen"] else "If you do not know why, freeze the key and look at its requests.",
        ],
        [*_key_facts(about), ("Hour from", about["hour"])],
        f"/keys/{about['key_id']}",
        "See the key",
    )


def key_leaked(about: dict[str, str]) -> Mail:
    return Mail(
        "A key of yours was found in public",
        [
            "GitHub found the secret of a key of your workspace where everyone can read it.",
            DONE[about["outcome"]],
            WHAT_TO_DO[about["outcome"]],
        ],
        [*_key_facts(about), ("Secret", about["secret"]), *_found(about)],
        f"/keys/{about['key_id']}",
        "See the key",
    )


def gateway_leaked(about: dict[str, str]) -> Mail:
    revoked = "It was revoked: nothing that it sends is recorded any more."
    return Mail(
        f"The token of gateway {about['name']} was found in public",
        [
            "GitHub found the token of a gateway where everyone can read it. Anyone who has it can send usage in its name.",
            revoked if about["outcome"] == "revoked" else "It still works, so that no customer is cut off: rotate it now.",
        ],
        [("Gateway", about["gateway_id"]), ("Token", about["secret"]), *_found(about)],
        reverse("admin:workspaces_gateway_change", args=[about["gateway_key"]]),
        "See the gateway",
    )


def usage_unaccounted(about: dict[str, str]) -> Mail:
    return Mail(
        f"{about['requests']} requests of {about['day']} are unaccounted for",
        [
            f"{about['requests']} requests were allowed on {about['day']}, and no gateway reported what became of them. They "
            f"may have cost up to {about['usd']} USD.",
            "A gateway that was killed or that lost its spool is the usual reason. Events that arrive later are still billed.",
        ],
        [("Gateways", about["gateways"])],
        reverse("admin:metering_hold_unaccounted"),
        "See what is unaccounted",
    )


def _key_facts(about: dict[str, str]) -> Facts:
    return [("Key", about["name"]), ("Kind", about["kind"]), ("Key id", about["key_id"])]


def _found(about: dict[str, str]) -> Facts:
    return [("Found at", about["url"])] if about["url"] else []


ALL = (
    *(budget_threshold, budget_forecast, balance_low, key_spend_spike, key_leaked, gateway_leaked, usage_unaccounted),
    *(price_changing, price_change_withdrawn),
)
