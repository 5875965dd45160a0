"""Pages of the node: `render(name, page, context)`, and a presenter for each page.

A route takes what it holds, calls a presenter, and renders the result:

    page = board.present(chain.view, me, now, board.read_asked(request.query_params))
    html = render("board", page, Context(node=..., now=now, user=..., csrf=..., path=...))

| template | presenter | needs |
|---|---|---|
| sign_in | `sign_in.present` | the challenge, where the reader was going |
| link | `sign_in.present_ticket`, `sign_in.present_enrolment`, `facts.present` | one form |
| home | `home.present` | views, deadline boards, outbox rows, reports that wait |
| cases | `home.present_cases` | views |
| board | `board.present` | a view, what the address asks for (`board.read_asked`) |
| timeline | `timeline.present` | the chain, texts that the reader may read |
| embargo | `embargo.present` | a view |
| affectedness | `affectedness.present` | a view, `findings.find` of what could be opened |
| publication | `publication.present` | a view, the draft as text |
| payloads | `payloads.present` | a view |
| acts, act | `acts.present_all`, `acts.present_one` | a view, cards to invite, what was filled in |
| deadlines | `deadlines.present` | boards by case id |
| outbox | `outbox.present` | outbox rows, destinations, names, refused parcels |
| advisories, advisory | `advisories.present`, `advisories.present_one` | public advisories |
| directory, organization | `directory.present`, `directory.present_one` | cards |
| intake | `intake.present` | the step, what was saved, errors by field |
| receipt | `intake.present_receipt` | the report's number and private link |
| follow | `intake.present_follow` | the report's number, state and messages |
| reports, report | `triage.present`, `triage.present_one` | reports as the desk opens them |
| opening | `triage.present_opening` | a report, the roles of the organization |
| accounts, account | `accounts.present`, `accounts.present_one` | accounts and their keys |
| problem | `problem.present` | status, message, hint |

Presenters are pure: what a node holds and an instant go in, a frozen dataclass comes out. Every
page is sent with `HEADERS`; files under `addresses.STATIC` come from `static_file`. Forms are
sent by POST with the field `CSRF_FIELD`, and answered with a redirect.
"""

from steelyard.server.web.pages import (
    advisories,
    deadlines,
    directory,
    home,
    intake,
    outbox,
    problem,
    sign_in,
)
from steelyard.server.web.pages.cases import (
    acts,
    affectedness,
    board,
    embargo,
    payloads,
    publication,
    timeline,
)
from steelyard.server.web.pages.rendering import (
    CSRF_FIELD,
    HEADERS,
    Context,
    Problem,
    render,
    static_file,
)

__all__ = [
    "CSRF_FIELD",
    "HEADERS",
    "Context",
    "Problem",
    "acts",
    "advisories",
    "affectedness",
    "board",
    "deadlines",
    "directory",
    "embargo",
    "home",
    "intake",
    "outbox",
    "payloads",
    "problem",
    "publication",
    "render",
    "sign_in",
    "static_file",
    "timeline",
]
