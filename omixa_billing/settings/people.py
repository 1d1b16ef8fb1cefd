"""How people sign in and confirm who they are, and invitations and keys."""

import re
from functools import partial

from django.core.exceptions import ImproperlyConfigured

from metering.website.confirmed_acts import NOT_CONFIRMED
from omixa_billing.rate_limits.configuration import SIGN_IN_RATES
from omixa_billing.settings.addresses import SECURE_COOKIES
from omixa_billing.settings.environment import PRODUCTION, env


def whole_days(name: str, default: str) -> int | None:
    """A number of days above 0; None when the setting is empty."""
    text = env.str(name, default=default).strip()
    if not text:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text):
        raise ImproperlyConfigured(f"{name} is a whole number of days from 1 to 99999, or empty: {text!r} cannot be used.")
    return int(text)


AUTH_USER_MODEL = "workspaces.User"
SESSION_ENGINE = "workspaces.signin.session_store"
SESSION_HOURS = env.int("SESSION_HOURS", default=12)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
# Whether an operator without a second factor is led to set one up before the console answers.
OPERATORS_NEED_SECOND_FACTOR = env.bool("OPERATORS_NEED_SECOND_FACTOR", default=PRODUCTION)
# It is Django's too, and looks an address up: with both, each failed sign-in would hash the password twice.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_ADAPTER = "workspaces.signin.accounts.AccountAdapter"
ACCOUNT_FORMS = {"reset_password_from_key": "workspaces.signin.forms.NewPasswordForm"}
ACCOUNT_EMAIL_VERIFICATION = env.str("EMAIL_VERIFICATION", default="none")
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_RATE_LIMITS = SIGN_IN_RATES
KNOWN_BROWSER_COOKIE = "__Host-known_browser" if SECURE_COOKIES else "known_browser"
# Members are invited by address, so nobody may take on another one that they have not shown to be theirs.
ACCOUNT_MAX_EMAIL_ADDRESSES = 1
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of every change of password, factor, address and sessions
# How long a person who confirmed who they are is not asked again, and what they do without being asked.
ACCOUNT_REAUTHENTICATION_TIMEOUT = env.int("REAUTHENTICATION_MINUTES", default=15) * 60
ACTS_WITHOUT_CONFIRMATION = NOT_CONFIRMED
USERSESSIONS_ADAPTER = "workspaces.signin.sessions.SessionsAdapter"
ACCOUNT_PREVENT_ENUMERATION = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_ADAPTER = "workspaces.signin.passkeys.MFAAdapter"
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_FORMS = {
    "add_webauthn": "workspaces.signin.passkeys.AddForm",
    "login_webauthn": "workspaces.signin.passkeys.LoginForm",
    "authenticate_webauthn": "workspaces.signin.passkeys.AuthenticateForm",
    "reauthenticate_webauthn": "workspaces.signin.passkeys.ReauthenticateForm",
}
MFA_TOTP_ISSUER = "Omixa billing"
# Invitations: how many a workspace sends and an address gets in an hour, and for how long one can be accepted.
INVITATIONS_PER_HOUR = env.int("INVITATIONS_PER_HOUR", default=10)
INVITATIONS_PER_ADDRESS = env.int("INVITATIONS_PER_ADDRESS", default=3)
INVITATION_DAYS = env.int("INVITATION_DAYS", default=7)
# After how many days an admin key expires for which nobody chose another time; empty: never.
ADMIN_KEY_DAYS = env.checked(partial(whole_days, "ADMIN_KEY_DAYS", default="365"), instead=365)
OPEN_SIGNUP = env.bool("OPEN_SIGNUP", default=False)
# By invitation only the operator or an owner gives an account its address. Open to all, a stranger could take another
# person's and lock them out with a second factor: then the address is verified first.
MFA_ALLOW_UNVERIFIED_EMAIL = not OPEN_SIGNUP
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/"
