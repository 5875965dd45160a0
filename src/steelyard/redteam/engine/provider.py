"""Reference targets as an Inspect model provider: `steelyard/<name>?p=0.3`.

Works with no network: usage is always reported and tokens are words, because
Inspect's own fall-back downloads a tokenizer when usage is absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspect_ai.model import (
    ChatMessage,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    modelapi,
)

from steelyard.redteam.engine.convert import reply_to_output, to_message, to_tool
from steelyard.redteam.targets import PROVIDER, ReferenceTarget, count_words, parse_target

if TYPE_CHECKING:
    from inspect_ai.tool import ToolChoice, ToolInfo


class ReferenceTargetAPI(ModelAPI):
    """Inspect's side of a reference target."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008 - signature given by Inspect
    ) -> None:
        """Parse the target's parameters from the model name."""
        super().__init__(model_name, base_url, api_key, [], config)
        self._target = ReferenceTarget(parse_target(model_name))

    async def generate(
        self,
        input: list[ChatMessage],  # noqa: A002 - name given by Inspect
        tools: list[ToolInfo],
        tool_choice: ToolChoice,  # noqa: ARG002 - a reference target always calls tools
        config: GenerateConfig,
    ) -> ModelOutput:
        """Answer as the target does; the request's `seed` is the nonce."""
        messages = [to_message(message) for message in input]
        reply = self._target.answer(messages, [to_tool(tool) for tool in tools], config.seed)
        words = sum(count_words(message.text) for message in messages)
        answered = count_words(reply.text) + len(reply.calls)
        return reply_to_output(self.model_name, reply, words, answered)

    async def count_text_tokens(self, text: str) -> int:
        """Words, so that no tokenizer is ever looked for."""
        return count_words(text)

    def max_connections(self) -> int:
        """In-process, so as many as the engine likes to interleave."""
        return 64


@modelapi(name=PROVIDER)
def steelyard() -> type[ModelAPI]:
    """Register the provider."""
    return ReferenceTargetAPI
