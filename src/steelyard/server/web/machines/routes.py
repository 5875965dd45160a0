"""The paths of the machine half, each with what answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from steelyard.attest.http_signatures import ReplayGuard
from steelyard.kernel import canonical_json
from steelyard.server.web.machines.cases import Cases
from steelyard.server.web.machines.description import describe
from steelyard.server.web.machines.events import Events
from steelyard.server.web.machines.parcels import Parcels
from steelyard.server.web.machines.public import Health, Published
from steelyard.server.web.machines.signed import Signatures
from steelyard.server.web.quotas import Quota
from steelyard.server.web.settings import base_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from steelyard.server.node import Node
    from steelyard.server.web.settings import Settings

EVENTS_PATH: Final = "/events"
PARCELS_PATH: Final = "/inbox"


def routes(node: Node, settings: Settings) -> list[Route]:
    """Routes of a node, the busiest first."""
    quotas = settings.quotas
    base = base_of(settings, node.identity.card)
    signatures = Signatures(node, base, ReplayGuard(node.now().timestamp()))
    parcels = Parcels(
        node,
        signatures,
        per_key=_quota(quotas.parcels_per_minute),
        per_address=_quota(quotas.cards_per_minute),
        strangers=quotas.strangers,
    )
    shown = Cases(node, signatures, _quota(quotas.reads_per_minute))
    published = Published(settings.public_folder)
    events = Events(node, _quota(quotas.events_per_minute))
    return [
        Route(EVENTS_PATH, events, methods=["POST"]),
        Route(PARCELS_PATH, parcels.take_parcel, methods=["POST"]),
        Route("/cards", parcels.take_card, methods=["POST"]),
        Route("/card", parcels.own_card, methods=["GET"]),
        Route("/cases/{case}/entries", shown.entries, methods=["GET"]),
        Route("/cases/{case}/checkpoint", shown.checkpoint, methods=["GET"]),
        Route("/health", Health(node).show, methods=["GET"]),
        Route("/openapi.json", _described, methods=["GET"]),
        Route("/atom.xml", published.feed, methods=["GET"]),
        Route("/.well-known/{name:path}", published.well_known, methods=["GET"]),
    ]


def _quota(per_minute: int) -> Quota:
    return Quota(per_minute, burst=max(1, per_minute // 4))


async def _described(request: Request) -> Response:
    return Response(canonical_json(describe(request.app)), media_type="application/json")
