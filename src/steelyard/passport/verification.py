"""What a verification found: named checks, and what may be believed.

Decides how results of checks become one exit status (spec/passport.md, section
Verification). A classification is only handed out when every check that
protects it has passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Literal, NoReturn, TypeVar

from steelyard.kernel import JsonObject, format_instant
from steelyard.kernel.errors import SteelyardError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

Result = Literal["pass", "warn", "fail", "skipped"]
CHECK_NAMES: Final = (
    "archive",
    "index",
    "signatures",
    "signer",
    "statements",
    "time_order",
    "standard",
    "matrix",
    "plan",
    "items",
    "proficiency",
    "classification",
    "regressions",
    "report",
    "posture",
    "advisories",
    "expiry",
    "policy",
)
VERIFICATION_SCHEMA: Final = "steelyard/verification/1"
ASK_ISSUER: Final = "ask the issuer for the original file"
_EXHAUSTED: Final = "a genuine passport needs far less; ask the issuer how it was made"
_SATISFIED, _NOT_SATISFIED, _CANNOT_VERIFY, _EXPIRED = 0, 1, 3, 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Check:
    """One step of a verification: what it is called and how it ended."""

    name: str
    result: Result
    detail: str
    hint: str = ""

    def to_json(self) -> JsonObject:
        """The check as `verify --json` prints it."""
        return {
            "name": self.name,
            "result": self.result,
            "detail": self.detail,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Finding(Generic[T]):
    """What a step established: a value for later steps and a sentence for people."""

    value: T
    detail: str
    warning: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of `verify_passport`.

    Attributes:
        at: The instant it speaks about.
        checks: One per name in `CHECK_NAMES`, in that order.
        exit_status: 0 satisfied, 1 policy not met, 3 cannot verify, 4 expired.
        model: Name of the model, None unless verified.
        subject: The signed model, kind, digest, access, safeguards and endpoint.
        run: The signed split, attempt, elicitation and instant of the intent.
        signer: Key id of the classification's signer, None unless verified.
        signers: Key ids of all four statements' signers, sorted.
        issued: When the claim was signed.
        expires: When it stops counting.
        evidence_finished: When the run ended.
        classification: As recomputed here; None unless verified.
        weights_security: What it carries on the security of its weights; None for nothing.
        regressions: Published flaws that it tested for, each verdict as computed here.
        advisories: Those that concern its subject; None unless verified.
        unmet: One sentence per unmet requirement of the policy.
        fired: Titles of the triggers of re-evaluation known to have fired.
    """

    at: datetime
    checks: tuple[Check, ...]
    exit_status: int
    model: str | None = None
    subject: JsonObject | None = None
    run: JsonObject | None = None
    signer: str | None = None
    signers: tuple[str, ...] = ()
    issued: datetime | None = None
    expires: datetime | None = None
    evidence_finished: datetime | None = None
    classification: JsonObject | None = None
    weights_security: JsonObject | None = None
    regressions: tuple[JsonObject, ...] = ()
    advisories: JsonObject | None = None
    unmet: tuple[str, ...] = ()
    fired: tuple[str, ...] = ()

    def failures(self, *, besides: tuple[str, ...] = ()) -> tuple[Check, ...]:
        """The checks that failed, leaving out those named."""
        return tuple(c for c in self.checks if c.result == "fail" and c.name not in besides)

    def to_json(self) -> JsonObject:
        """The document of spec/verification.schema.json."""
        return {
            "schema": VERIFICATION_SCHEMA,
            "at": format_instant(self.at),
            "exit_status": self.exit_status,
            "checks": [check.to_json() for check in self.checks],
            "model": self.model,
            "subject": self.subject,
            "run": self.run,
            "signers": list(self.signers),
            "issued": _instant(self.issued),
            "expires": _instant(self.expires),
            "evidence_finished": _instant(self.evidence_finished),
            "unmet": list(self.unmet),
            "fired_triggers": list(self.fired),
            "classification": self.classification,
            "weights_security": self.weights_security,
            "regressions": list(self.regressions),
            "advisories": self.advisories,
        }


class CheckLog:
    """Runs steps in order and keeps how each ended.

    A step asks for an earlier step's value with `need`; where that step
    failed, the asking step is skipped. So what depends on what is written
    once, in the code that uses it.
    """

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def run(self, name: str, step: Callable[[], Finding[T]]) -> T | None:
        """Run one step; None when it failed or was skipped."""
        try:
            finding = step()
        except _NotReachedError:
            self.checks.append(Check(name, "skipped", "needs a check that did not pass"))
            return None
        except SteelyardError as error:
            self.checks.append(Check(name, "fail", str(error), error.hint or ASK_ISSUER))
            return None
        except (MemoryError, RecursionError) as error:
            detail = f"exhausts this machine ({type(error).__name__})"
            self.checks.append(Check(name, "fail", detail, _EXHAUSTED))
            return None
        except Exception as error:  # noqa: BLE001 - a hostile file ends in a verdict, never in a crash
            detail = f"breaks the rules of its format ({type(error).__name__}: {error})"
            self.checks.append(Check(name, "fail", detail, ASK_ISSUER))
            return None
        result = "warn" if finding.warning else "pass"
        self.checks.append(Check(name, result, finding.detail, finding.hint))
        return finding.value

    def skip(self, name: str, detail: str) -> None:
        """Record a step that was not asked for."""
        self.checks.append(Check(name, "skipped", detail))

    def sound(self) -> bool:
        """Whether every step so far, expiry aside, has passed."""
        return all(c.result in ("pass", "warn") or c.name == "expiry" for c in self.checks)

    def exit_status(self) -> int:
        """Broken outweighs unmet, and unmet outweighs expired."""
        results = {check.name: check.result for check in self.checks}
        policy, expiry = results.pop("policy"), results.pop("expiry")
        if set(results.values()) - {"pass", "warn"}:
            return _CANNOT_VERIFY
        if policy == "fail":
            return _NOT_SATISFIED
        return _EXPIRED if expiry == "fail" else _SATISFIED


def need(value: T | None) -> T:
    """The value of an earlier step, or the end of this one."""
    if value is None:
        _stop()
    return value


class _NotReachedError(Exception):
    """A step needs the value of one that gave none."""


def _stop() -> NoReturn:
    raise _NotReachedError


def _instant(value: datetime | None) -> str | None:
    return format_instant(value) if value is not None else None
