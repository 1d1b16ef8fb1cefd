"""Forms of ours in place of allauth's."""

from allauth.account.forms import ResetPasswordKeyForm
from allauth.account.models import EmailAddress
from allauth.core import context

from workspaces.signin.limits import remember_reset


class NewPasswordForm(ResetPasswordKeyForm):
    """A new password by the link in a mail. Holding the link shows that the person reads the address's mail."""

    def save(self) -> None:
        super().save()
        remember_reset(context.request, self.user)
        address = EmailAddress.objects.filter(user=self.user, email__iexact=self.user.email).first()
        if address is not None and not address.verified:
            address.set_verified()
