"""Signing in to the node, by a key or by a provider, and links that let somebody in once.

Decides which ways to sign in a page offers, and what is asked of somebody who comes by a link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.server.people import tickets
from steelyard.server.people.enrolling import NAME_LIMIT
from steelyard.server.web import addresses
from steelyard.server.web.forms import Button, Field, Form

if TYPE_CHECKING:
    from collections.abc import Sequence

_PEM_LIMIT: Final = 2000


@dataclass(frozen=True, slots=True)
class SignInPage:
    """Template `sign_in`.

    Attributes:
        form: Takes what the command prints.
        providers: Name and address of each place that signs people in for the node.
    """

    title: str
    form: Form
    providers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LinkPage:
    """Template `link`: somebody came by a link that works once.

    Attributes:
        lead: What the link is for.
    """

    title: str
    lead: str
    form: Form


def present(
    node: str,
    challenge: str,
    next_path: str = "",
    ticket: str = "",
    providers: Sequence[tuple[str, str]] = (),
) -> SignInPage:
    """The page for `sign_in.html`.

    The form sends `ticket` and `next` to `addresses.SIGN_IN`. Why an attempt was refused is
    `Context.problem`; it does not say whether the key is known.

    Args:
        node: Address of the node, as the ticket must name it.
        challenge: What the ticket answers.
        next_path: Where the reader was going, a path of this node.
        ticket: What was pasted before.
        providers: Name and address of each place that signs people in for the node.
    """
    command = f"steelyard disclose node sign-in --key FILE --at {node} --challenge {challenge}"
    fields = (
        Field("ticket", "What the command prints", value=ticket, limit=tickets.LIMIT),
        Field("next", "Next", "hidden", next_path, required=False),
    )
    form = Form(
        "sign-in",
        "Sign in with a key",
        addresses.SIGN_IN,
        fields,
        (Button("Sign in"),),
        f"Run where your key is: {command}",
    )
    return SignInPage("Sign in", form, tuple(providers))


def present_ticket(action: str, account: str, next_path: str = "") -> LinkPage:
    """The page for `link.html` where a link is a ticket, or made by who runs the node."""
    hidden = Field("next", "Next", "hidden", next_path, required=False)
    form = Form("sign-in", "Sign in", action, (hidden,), (Button("Sign in"),))
    return LinkPage("Sign in", f"You are about to sign in as {account}.", form)


def present_enrolment(action: str, account: str, name: str = "", key: str = "") -> LinkPage:
    """The page for `link.html` where a key is added to an account, or to a first one.

    The form sends `name` and `key` to its own address.

    Args:
        action: The link's path.
        account: Name of the account; empty where the link makes the first one.
        name: What was typed before.
        key: What was pasted before.
    """
    named = () if account else (Field("name", "Your name", value=name, limit=NAME_LIMIT),)
    hint = (
        "The public half of an Ed25519 key, in PEM. Make one with: "
        "steelyard passport keygen me.key; then paste what is in me.key.pub."
    )
    pem = Field("key", "Public key", "text", key, hint, limit=_PEM_LIMIT)
    lead = (
        f"Add a key to the account {account}."
        if account
        else "This makes the first account of the node. It manages accounts and coordinates cases."
    )
    form = Form("enrol", "Enrol a key", action, (*named, pem), (Button("Enrol and sign in"),))
    return LinkPage("Enrol a key", lead, form)
