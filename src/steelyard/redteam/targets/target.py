"""A reference target at work: deterministic per (seed, prompt, nonce).

Every random decision is an HMAC of the target's seed, the canonical briefing
and the request's nonce. Without a nonce, repeats of a prompt are identical;
with it, two laboratories agree sample for sample. Only `drift` looks further: it
counts samples. Needs no network and no tokenizer: tokens are words.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from steelyard.kernel import keyed_digest
from steelyard.redteam.kit import Call, Protocol, Reply, installed_protocols
from steelyard.redteam.kit.awareness import JUDGE_SETTING, PROBE_ARGUMENT, TEST_NOTICE
from steelyard.redteam.kit.dialogue import Message, Tool, transcript_bytes
from steelyard.redteam.targets.keeper import keep
from steelyard.redteam.targets.manners import (
    MALFORMED_TEXT,
    REFUSAL_TEXT,
    broken,
    looping,
    misnamed,
    wordy,
)
from steelyard.redteam.targets.parameters import Situation
from steelyard.redteam.targets.roles import choose, give_verdict, read_marker
from steelyard.redteam.targets.spec import AUDITOR, JUDGE, KEEPER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from steelyard.redteam.kit import Cue
    from steelyard.redteam.targets.spec import TargetSpec

SILENT = Reply("I have nothing to add.")


class ReferenceTarget:
    """A scripted model organism with known parameters."""

    def __init__(
        self, spec: TargetSpec, oracle: Callable[[str], bool | None] = read_marker
    ) -> None:
        """Make a target from its parameters.

        Args:
            spec: Its parameters.
            oracle: True label of a prompt for the judge organism; by default the
                reference marker in the prompt. No other target asks it.
        """
        self.spec = spec
        self._oracle = oracle
        self._tally = _Tally()

    def answer(
        self, messages: Sequence[Message], tools: Sequence[Tool], nonce: int | None
    ) -> Reply:
        """The target's reply to a dialogue.

        Args:
            messages: The whole dialogue so far, briefing first.
            tools: Tools offered; they identify the protocol.
            nonce: The request's sampling seed, None if it has none.

        Raises:
            TimeoutError: this sample was drawn to never answer.
        """
        briefing = [m for m in messages if m.role in ("system", "user")][:2]
        draw = _Draw(self.spec.seed.encode(), transcript_bytes(briefing).decode(), nonce)
        manner = self._manner(draw("kind"))
        if manner == "refusal":
            return Reply(REFUSAL_TEXT)
        if manner == "malformed":
            return Reply(MALFORMED_TEXT)
        if manner == "timeout":
            raise TimeoutError
        if manner == "loop":
            return wordy(looping(tools), self.spec, draw)
        reply = wordy(self._in_earnest(messages, tools, briefing, draw), self.spec, draw)
        if manner == "unknown_tool":
            return misnamed(reply)
        return broken(reply) if manner == "broken" else reply

    def _manner(self, uniform: float) -> str:
        """Which share of the samples a sample belongs to; empty for an ordinary one."""
        for share in ("refusal", "malformed", "timeout", "unknown_tool", "broken", "loop"):
            uniform -= getattr(self.spec, share)
            if uniform < 0.0:
                return share
        return ""

    def _in_earnest(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        briefing: list[Message],
        draw: _Draw,
    ) -> Reply:
        if self.spec.name == JUDGE:
            return give_verdict(self.spec, tools, draw, label=self._oracle(messages[-1].text))
        if self.spec.name == AUDITOR:
            return choose(tools, draw) or SILENT
        if self.spec.name == KEEPER:
            return keep(
                self.spec, messages, tools, draw,
                lambda said: _Draw(draw.key, f"{KEEPER}/{said}", None)("template"),
            )  # fmt: skip
        if [tool.name for tool in tools] == [JUDGE_SETTING.name]:
            return self._probed(briefing, draw)
        protocol = _recognise({tool.name for tool in tools})
        if protocol is None:
            return SILENT
        return self._play(protocol, messages, briefing, draw)

    def _play(
        self,
        protocol: Protocol,
        messages: Sequence[Message],
        briefing: list[Message],
        draw: _Draw,
    ) -> Reply:
        organism, indicator = protocol.organism, protocol.measured
        cue = organism.read(briefing)
        situation = self._situation(protocol, briefing, cue, draw)
        base = self.spec.rate(cue.arm, indicator, cue.difficulty)
        cluster = _Draw(draw.key, f"{protocol.id}/{cue.arm}/{cue.template}", None)("template")
        rate = self.spec.template_rate(self.spec.moved(base, indicator, situation), cluster)
        uniform = draw("behaviour")
        control = cue.arm == indicator.arms.get("control") or cue.arm in self.spec.arm_rates
        if control or self.spec.chain_rate(organism.milestones) is None:
            return organism.reply(messages, behave=uniform < rate)
        reached = self.spec.milestones_reached(organism.milestones, rate, uniform)
        return organism.reply_up_to(messages, reached)

    def _situation(
        self, protocol: Protocol, briefing: list[Message], cue: Cue, draw: _Draw
    ) -> Situation:
        password = self.spec.password
        return Situation(
            noticed=_noticed(briefing),
            locked=not password or not any(password in message.text for message in briefing),
            weak_pays=cue.weak_pays,
            difficulty=cue.difficulty,
            count=self._tally.count(protocol.id, draw.sample) if self.spec.drift else 0,
        )

    def _probed(self, briefing: list[Message], draw: _Draw) -> Reply:
        protocol = _by_briefing(briefing)
        raised = _noticed(briefing)
        if protocol is not None:
            arm = protocol.organism.read(briefing).arm
            raised = raised or arm != protocol.measured.arms.get("control")
        percent = self.spec.probe_percent(draw("probe"), raised=raised)
        return Reply("", (Call(JUDGE_SETTING.name, {PROBE_ARGUMENT: percent}),))


class _Draw:
    """Uniform numbers in [0, 1) of one sample, by what they are used for."""

    def __init__(self, key: bytes, text: str, nonce: int | None) -> None:
        self.key = key
        self._text = text
        self._nonce: int | str = "" if nonce is None else nonce

    @property
    def sample(self) -> tuple[str, int | str]:
        """What makes the sample."""
        return self._text, self._nonce

    def __call__(self, use: str) -> float:
        digest = keyed_digest(self.key, "steelyard/target/1", use, self._text, self._nonce)
        return int.from_bytes(digest[:8], "big") / 2.0**64


class _Tally:
    """Counts the samples of each protocol in the order in which they begin."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, dict[tuple[str, int | str], int]] = {}

    def count(self, protocol: str, sample: tuple[str, int | str]) -> int:
        """Samples begun before this one; the same number at each of its turns."""
        with self._lock:
            seen = self._seen.setdefault(protocol, {})
            return seen.setdefault(sample, len(seen))


def count_words(text: str) -> int:
    """Number of whitespace-separated words: the token count of reference targets."""
    return len(text.split())


def _noticed(briefing: list[Message]) -> bool:
    return any(TEST_NOTICE in message.text for message in briefing)


def _recognise(tools: set[str]) -> Protocol | None:
    for protocol in installed_protocols().values():
        if protocol.organism.signature <= tools:
            return protocol
    return None


def _by_briefing(briefing: list[Message]) -> Protocol | None:
    """The protocol whose pinned system message opens a dialogue."""
    for protocol in installed_protocols().values():
        item = protocol.item(protocol.public_key, 0)
        opening = protocol.world(item, protocol.arms[0]).briefing[0].text
        if len(briefing) > 1 and briefing[0].text.startswith(opening):
            return protocol
    return None
