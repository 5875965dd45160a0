"""Between the kit's plain dialogue and Inspect's message types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ModelOutput,
    ModelUsage,
)
from inspect_ai.tool import ToolCall, ToolInfo, ToolParams
from inspect_ai.util import JSONSchema

from steelyard.redteam.kit import Call, Message, Reply, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence


def to_chat(message: Message) -> ChatMessage:
    """A system or user message in Inspect's type."""
    if message.role == "system":
        return ChatMessageSystem(content=message.text)
    return ChatMessageUser(content=message.text)


def to_tool_info(tool: Tool) -> ToolInfo:
    """A tool in Inspect's type; all parameters required."""
    properties = {
        name: JSONSchema.model_validate(schema) for name, schema in tool.parameters.items()
    }
    return ToolInfo(
        name=tool.name,
        description=tool.description,
        parameters=ToolParams(properties=properties, required=list(properties)),
    )


def to_tool(info: ToolInfo) -> Tool:
    """A tool as the kit knows it; enough to recognise a protocol by."""
    properties = info.parameters.model_dump(exclude_none=True).get("properties", {})
    return Tool(info.name, info.description, properties)


def to_reply(output: ModelOutput) -> Reply:
    """A model's output as a reply; a call whose arguments did not parse keeps none."""
    message = output.message
    calls = tuple(
        Call(call.function, {} if call.parse_error else cast("Any", call.arguments))
        for call in message.tool_calls or []
    )
    return Reply(message.text, calls, blocked=output.stop_reason == "content_filter")


def to_message(message: ChatMessage) -> Message:
    """Any of Inspect's messages in the kit's type."""
    made = message.tool_calls if isinstance(message, ChatMessageAssistant) else None
    calls = tuple(Call(call.function, call.arguments) for call in made or [])
    tool = message.function or "" if isinstance(message, ChatMessageTool) else ""
    return Message(message.role, message.text, calls, tool)


def answers_to_chat(output: ModelOutput, answers: Sequence[Message]) -> list[ChatMessage]:
    """The world's answers as Inspect messages, tied to the calls they answer in order."""
    calls = list(output.message.tool_calls or [])
    result: list[ChatMessage] = []
    for position, answer in enumerate(answers):
        if answer.role == "tool":
            call = calls[position]
            result.append(
                ChatMessageTool(content=answer.text, tool_call_id=call.id, function=call.function)
            )
        else:
            result.append(ChatMessageUser(content=answer.text))
    return result


def reply_to_output(model: str, reply: Reply, input_tokens: int, output_tokens: int) -> ModelOutput:
    """A scripted reply as a model output with usage, so that nothing is counted elsewhere."""
    output = ModelOutput.from_message(
        ChatMessageAssistant(
            content=reply.text,
            model=model,
            tool_calls=[
                ToolCall(id=f"call_{i}", function=c.name, arguments=dict(c.arguments))
                for i, c in enumerate(reply.calls)
            ]
            or None,
        ),
        stop_reason="tool_calls" if reply.calls else "stop",
    )
    output.model = model
    output.usage = ModelUsage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
    )
    return output
