"""Forms of ours in place of allauth's."""

from allauth.account.forms import ResetPasswordKeyForm
from allauth.account.models import EmailAddress


class NewPasswordForm(ResetPasswordKeyForm):
    """A new password by the link in a mail. Whoever holds the link reads the address's mail, so that shows it is theirs."""

    def save(self) -> None:
        super().save()
        address = EmailAddress.objects.filter(user=self.user, email__iexact=self.user.email).first()
        if address is not None and not address.verified:
            address.set_verified()
