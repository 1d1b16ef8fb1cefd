"""What workspaces refuse, each with its code and status."""

from omixa_billing.api.errors import Refusal


class Unauthenticated(Refusal):
    """No credential, or one that is unknown, revoked or past its time."""

    code = "invalid_credential"
    status = 401


class WrongKindOfCredential(Refusal):
    """A good credential at an endpoint that is not for its kind."""

    code = "wrong_kind_of_credential"
    status = 403


class WorkspaceSuspended(Refusal):
    """A good key of a workspace whose live keys are refused until it has paid."""

    code = "workspace_suspended"
    status = 403


class WorkspaceClosed(Refusal):
    """What a workspace that was closed for good does no more."""

    code = "workspace_closed"
    status = 409


class InvalidName(Refusal):
    code = "invalid_name"
    status = 400


class InvalidEmail(Refusal):
    code = "invalid_email"
    status = 400


class NoSuchPerson(Refusal):
    code = "no_such_person"
    status = 404


class KindNotForWorkspace(Refusal):
    """Test keys live in sandboxes, live keys in real workspaces."""

    code = "kind_not_for_workspace"
    status = 422


class InvalidExpiry(Refusal):
    code = "invalid_expiry"
    status = 422


class InvalidGrace(Refusal):
    code = "invalid_grace"
    status = 422


class KeyIsLimited(Refusal):
    """An admin key that lacks the scope for what it asks."""

    code = "key_is_limited"
    status = 403


class NotAllowed(Refusal):
    """A person whose role does not include what they ask, or not any more."""

    code = "permission_denied"
    status = 403


class ScopesNotForKind(Refusal):
    code = "scopes_not_for_kind"
    status = 422


class KeyRevoked(Refusal):
    code = "key_revoked"
    status = 409


class KeyFrozen(Refusal):
    """A good key that is refused until a person or an admin key unfreezes it.

    No 401: its secret is right and may work again, and a client that asks for a new key after a 401 would throw it away.
    """

    code = "key_frozen"
    status = 403


class KeyFreezesItself(Refusal):
    """An admin key that would be the first to miss the way back."""

    code = "key_freezes_itself"
    status = 409


class KeyExpired(Refusal):
    code = "key_expired"
    status = 409


class UnknownWorkspace(Refusal):
    code = "not_found"
    status = 404


class GatewayRevoked(Refusal):
    code = "gateway_revoked"
    status = 409


class InvalidRole(Refusal):
    code = "invalid_role"
    status = 400


class AlreadyAMember(Refusal):
    code = "already_a_member"
    status = 409


class NotAMember(Refusal):
    code = "not_a_member"
    status = 404


class LastOwner(Refusal):
    """A workspace without an owner could never be given one again."""

    code = "last_owner"
    status = 409


class NotAHead(Refusal):
    """Text that names no head of the audit trail."""

    code = "not_a_head"
    status = 400


class TooManyInvitations(Refusal):
    """More invitations within an hour than a workspace may send or an address may get."""

    code = "too_many_invitations"
    status = 429


class NoSuchInvitation(Refusal):
    code = "no_such_invitation"
    status = 404


class InvitationOver(Refusal):
    """Answered, withdrawn, too old, or sent by a person who may no longer invite."""

    code = "invitation_over"
    status = 409


class InvitationForAnother(Refusal):
    """The person who answers is not the one who was invited."""

    code = "invitation_for_another"
    status = 403


class AccountExists(Refusal):
    code = "account_exists"
    status = 409
