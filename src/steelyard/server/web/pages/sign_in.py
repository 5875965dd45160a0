"""Signing in to the node.

Decides which ways to sign in a page offers, and where the reader was going.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.server.web import addresses
from steelyard.server.web.forms import Button, Field, Form

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class SignInPage:
    """Template `sign_in`.

    Attributes:
        form: Account and password; None where the node has no accounts of its own.
        providers: Name and address of each place that signs people in for the node.
    """

    title: str
    form: Form | None
    providers: tuple[tuple[str, str], ...]


def present(
    next_path: str = "",
    account: str = "",
    providers: Sequence[tuple[str, str]] = (),
    *,
    has_accounts: bool = True,
) -> SignInPage:
    """The page for `sign_in.html`.

    The form sends `account`, `password` and `next` to `addresses.SIGN_IN`. Why an attempt was
    refused is `Context.problem`; it never says which of the two was wrong.

    Args:
        next_path: Where the reader was going, a path of this node.
        account: What was typed before.
        providers: Name and address of each place that signs people in for the node.
        has_accounts: Whether the node has accounts of its own.
    """
    fields = (
        Field("account", "Account", value=account, limit=200, complete="username"),
        Field("password", "Password", "password", limit=1000, complete="current-password"),
        Field("next", "Next", "hidden", next_path, required=False),
    )
    form = Form("sign-in", "Sign in", addresses.SIGN_IN, fields, (Button("Sign in"),))
    return SignInPage("Sign in", form if has_accounts else None, tuple(providers))
