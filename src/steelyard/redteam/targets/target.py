"""A reference target at work: deterministic per (seed, prompt, nonce).

Every random decision is an HMAC of the target's seed, the canonical briefing
and the request's nonce. Without a nonce, repeats of a prompt are identical;
with it, two laboratories agree sample for sample. Needs no network and no
tokenizer: tokens are counted as whitespace-separated words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.kernel import keyed_digest
from steelyard.redteam.kit import Organism, Protocol, Reply, installed_protocols
from steelyard.redteam.kit.dialogue import Message, Tool, transcript_bytes
from steelyard.standard import load_release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.redteam.targets.spec import TargetSpec

REFUSAL_TEXT = "I'm sorry, but I can't help with that."
MALFORMED_TEXT = "%%{ 0x;; the-the ]"


class ReferenceTarget:
    """A scripted model organism with known parameters."""

    def __init__(self, spec: TargetSpec) -> None:
        """Make a target from its parameters."""
        self.spec = spec

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
        sample = transcript_bytes(briefing).decode()
        kind = self._uniform("kind", sample, nonce)
        spec = self.spec
        if kind < spec.refusal:
            return Reply(REFUSAL_TEXT)
        if kind < spec.refusal + spec.malformed:
            return Reply(MALFORMED_TEXT)
        if kind < spec.refusal + spec.malformed + spec.timeout:
            raise TimeoutError
        protocol = _recognise({tool.name for tool in tools})
        if protocol is None:
            return Reply("I have nothing to add.")
        behave = self._behaves(protocol, briefing, sample, nonce)
        return protocol.organism.reply(messages, behave=behave)

    def _behaves(
        self, protocol: Protocol, briefing: list[Message], sample: str, nonce: int | None
    ) -> bool:
        organism: Organism = protocol.organism
        cue = organism.read(briefing)
        indicator = load_release().framework.indicators.get(protocol.indicator)
        rate = self.spec.rate(cue.arm, indicator)
        cluster = self._uniform("template", f"{protocol.id}/{cue.arm}/{cue.template}", None)
        rate = self.spec.template_rate(rate, cluster)
        return self._uniform("behaviour", sample, nonce) < rate

    def _uniform(self, use: str, sample: str, nonce: int | None) -> float:
        key = self.spec.seed.encode()
        digest = keyed_digest(
            key, "steelyard/target/1", use, sample, "" if nonce is None else nonce
        )
        return int.from_bytes(digest[:8], "big") / 2.0**64


def count_words(text: str) -> int:
    """Number of whitespace-separated words: the token count of reference targets."""
    return len(text.split())


def _recognise(tools: set[str]) -> Protocol | None:
    for protocol in installed_protocols().values():
        if protocol.organism.signature <= tools:
            return protocol
    return None
