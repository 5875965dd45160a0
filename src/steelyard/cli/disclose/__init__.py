"""`steelyard disclose`: coordinated disclosure of flaws across organizations."""

from __future__ import annotations

import typer

from steelyard.cli.disclose import acts, advisory, case, node, queries
from steelyard.cli.disclose.affectedness import answer, ask, audit
from steelyard.cli.disclose.bundles import export
from steelyard.cli.disclose.deadlines import deadlines
from steelyard.cli.disclose.intake import import_
from steelyard.cli.disclose.marks import mark, trace
from steelyard.cli.disclose.reproduce import check, reproduce, seal_variants, verify_fix
from steelyard.cli.disclose.sign_in import sign_in
from steelyard.cli.disclose.states import skill, states
from steelyard.cli.disclose.transfer import consent, transfer

app = typer.Typer(
    name="disclose",
    help="Coordinated disclosure: states, deadlines, reports, reproducers, advisories.",
    no_args_is_help=True,
)
app.command()(states)
app.command()(skill)
app.command()(deadlines)
app.command("import")(import_)
app.command()(export)
app.command()(mark)
app.command()(trace)
node.app.command("sign-in")(sign_in)
app.add_typer(node.app, name="node")
app.add_typer(node.cards, name="card")
app.add_typer(case.app, name="case")
app.add_typer(advisory.app, name="advisory")
app.command()(check)
app.command()(reproduce)
app.command("seal-variants")(seal_variants)
app.command("verify-fix")(verify_fix)
app.command()(ask)
app.command()(answer)
app.command()(audit)
app.command()(consent)
app.command()(transfer)

# These add their commands to `case` when they are imported.
__all__ = ["acts", "app", "queries"]
