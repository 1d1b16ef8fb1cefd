"""What the endpoints have in common: a key of the workspace, no sessions, exact numbers, and errors in each product's shape.

They are no part of our OpenAPI document: their contract is the other product's own.
"""

from rest_framework.views import APIView

from omixa_billing.api.renderers import ExactJSONRenderer
from workspaces.access.authentication import KeyAuthentication
from workspaces.access.permissions import SeesAWorkspace, SeesWholeWorkspace


class AnyKeyView(APIView):
    """For every key; a live or test key sees its own usage."""

    authentication_classes = [KeyAuthentication]
    permission_classes = [SeesAWorkspace]
    renderer_classes = [ExactJSONRenderer]
    schema = None


class AdminKeyView(AnyKeyView):
    permission_classes = [SeesWholeWorkspace]
