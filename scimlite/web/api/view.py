"""The base class of the application's endpoints: they take tokens of readers, and nothing is written but receipts."""

from __future__ import annotations

from ...apps.keyring import TokenKind
from ..scim.view import View


class ApiView(View):
    """An endpoint of the application."""

    token_kind = TokenKind.READER
