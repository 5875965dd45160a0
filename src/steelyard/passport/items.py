"""The step that makes the items of the public split anew.

Decides whether a passport's records are about items that its protocols
generate (spec/passport.md, section Verification). Without it the signer chose
templates and items, and with them the clusters of every error estimate. The
private split rests on a secret seed, so there the step only says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from steelyard.kernel.errors import BrokenSeal
from steelyard.passport.archive import MATRIX
from steelyard.passport.verification import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.passport.recompute import Case
    from steelyard.redteam.kit import Protocol

_FIELDS: Final = ("protocol", "protocol_version", "arm", "item", "template", "covariates")
_ASK: Final = "ask the issuer which items were run; the public split has only generated ones"
_TRUST: Final = "trust them as far as you trust the signer"
_INSTALL: Final = "install the Steelyard version that ships this protocol"


def check_items(case: Case) -> Finding[int]:
    """Step 10: every item of the public split is one its protocol generates.

    Where that cannot be checked, the finding is a warning that names why.

    Raises:
        BrokenSeal: an item, template or covariates that the protocol does not
            generate among as many items as were planned for the arm, or draws from others.
    """
    if case.claims.intent["split"] != "public":
        detail = "private split: items and templates rest on the signer's word"
        return Finding(0, detail, warning=True, hint=_TRUST)
    rows = {(row["protocol"], row["arm"]): row["items"] for row in case.claims.intent["planned"]}
    known = _installed(case)
    generated = {name: _Generated(known[name]) for name in known}
    for run in case.claims.intent.get("sequential", ()):
        if run["protocol"] in generated:
            generated[run["protocol"]].require_bank(run["items"])
    unchecked: set[str] = set()
    checked = 0
    for values in zip(*(case.evidence.columns[name] for name in _FIELDS), strict=True):
        protocol, version, arm, *described = values
        if protocol in generated and generated[protocol].version == version:
            generated[protocol].require(described, rows[protocol, arm])
            checked += 1
        else:
            unchecked.add(f"{protocol}@{version}")
    if unchecked:
        return _unchecked(case, sorted(unchecked), checked)
    return Finding(checked, f"{checked} records, every item generated anew")


def _installed(case: Case) -> dict[str, Protocol]:
    """Installed protocols whose parameters are those of the passport's release."""
    from steelyard.redteam.kit import installed_protocols  # noqa: PLC0415 - plugins, only here

    ours = case.release.protocols
    return {
        name: protocol
        for name, protocol in installed_protocols().items()
        if name in ours and protocol.parameters == ours[name]
    }


def _unchecked(case: Case, names: list[str], checked: int) -> Finding[int]:
    """What rests on the signer's word, and whether installing something would help."""
    foreign = all(name.rpartition("@")[0] not in case.release.protocols for name in names)
    why = "imported" if foreign else "not installed"
    listed = ", ".join(names[:4])
    detail = f"{why}: items and templates of {listed} rest on the signer's word"
    if checked:
        detail += f"; {checked} other records are about generated items"
    return Finding(checked, detail, warning=True, hint=_TRUST if foreign else _INSTALL)


class _Generated:
    """The public items of one protocol, each made when a record first names it.

    Pseudonyms of all planned items are cheap; contents are made only for names
    that exist, so a long plan costs little and an invented item nothing.
    """

    def __init__(self, protocol: Protocol) -> None:
        self.version = protocol.version
        self._protocol = protocol
        self._index: dict[str, int] = {}
        self._made: dict[str, tuple[str, Mapping[str, float]]] = {}

    def require(self, described: list[Any], planned: int) -> None:
        """Refuse an (item, template, covariates) not among the first `planned` items."""
        name, template, covariates = described
        self._extend(planned)
        if self._index.get(name, planned) >= planned:
            message = (
                f"item {name!r} is not among the {planned} items that "
                f"{self._protocol.id}@{self.version} generates"
            )
            raise BrokenSeal(message, where=MATRIX, hint=_ASK)
        if name not in self._made:
            item = self._protocol.item(self._protocol.public_key, self._index[name])
            self._made[name] = (item.template, dict(item.covariates))
        if self._made[name] != (template, covariates):
            message = (
                f"item {name!r} of {self._protocol.id}@{self.version} "
                "has another template or covariates than generated"
            )
            raise BrokenSeal(message, where=MATRIX, hint=_ASK)

    def require_bank(self, names: list[str]) -> None:
        """Refuse draws from anything but the first items of the split, in their order."""
        self._extend(len(names))
        if names != list(self._index)[: len(names)]:
            message = (
                f"the draws are from other items than the first {len(names)} that "
                f"{self._protocol.id}@{self.version} generates"
            )
            raise BrokenSeal(message, where="statements/run-intent", hint=_ASK)

    def _extend(self, planned: int) -> None:
        from steelyard.redteam.kit import item_seed, pseudonym  # noqa: PLC0415 - as above

        key, name = self._protocol.public_key, self._protocol.id
        for index in range(len(self._index), planned):
            self._index[pseudonym(item_seed(key, name, self.version, index))] = index
