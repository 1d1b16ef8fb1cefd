"""What a signed-in person does without confirming again who they are. Read by Django's settings, so it imports nothing.

Everything else that is sent by POST asks (`workspaces.signin.confirm`): a page that is missing here asks too often, never too
seldom.
"""

# A page by its name in the URL configuration: why it need not ask.
NOT_CONFIRMED = {
    "admin:logout": "ends the session",
    "admin:login": "signs nobody in: leads to the one sign-in",
    "admin:password_change": "leads to the page of the account, which asks for the old password",
    "admin:search": "reads",
    "admin:autocomplete": "reads",
    "admin:jsi18n": "reads",
    "admin:workspaces_gateway_rename": "changes a name",
    "admin:metering_notice_resend": "sends a mail once more, to the address it was for",
    "pages:switch": "chooses which of one's workspaces is shown",
    "pages:invitation_answer": "joins a workspace that invited this very address, or declines",
    "pages:billing_profile": "changes what later invoices print of the customer",
    "pages:webhook_test": "sends a test to an address that was confirmed",
    "pages:webhook_replay": "sends once more what was sent to an address that was confirmed",
    "pages:settings": "changes the workspace's name and address",
}
