"""What OpenAI's responses API refuses in its input: items, their contents, their ids, and who belongs to whom."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from langroute.lab.refusals import ApiError, Json, missing, wrong_type
from langroute.testing.openai_schemas import check_length

_FIELDS: dict[str, frozenset[str]] = {
    kind: frozenset({"type", "id", "status", *fields.split()})
    for kind, fields in {
        "message": "content role phase",
        "function_call": "arguments call_id name caller namespace",
        "function_call_output": "call_id output caller name namespace",
        "reasoning": "summary content encrypted_content",
        "item_reference": "",
    }.items()
}
# Items of OpenAI's own tools; what they hold is not looked at.
_OTHERS = (
    "additional_tools", "apply_patch_call", "apply_patch_call_output", "code_interpreter_call", "compaction",
    "compaction_trigger", "computer_call", "computer_call_output", "configuration_update", "custom_tool_call",
    "custom_tool_call_output", "file_search_call", "image_generation_call", "local_shell_call",
    "local_shell_call_output", "mcp_approval_request", "mcp_approval_response", "mcp_call", "mcp_list_tools",
    "program", "program_output", "shell_call", "shell_call_output", "tool_search_call", "tool_search_output",
    "web_search_call",
)  # fmt: skip
_PREFIXES = {"message": "msg", "function_call": "fc", "reasoning": "rs"}
_ROLES = ("assistant", "system", "developer", "user")
_SAID = ("output_text", "refusal")
_GIVEN = ("input_text", "input_image", "input_file", "input_audio")
_LONGEST_CALL_ID = 64


class ItemStore:
    """The responses that were stored, by which later requests may name items. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: dict[str, Json] = {}
        self._responses: dict[str, list[Json]] = {}
        self._thoughts: dict[str, str] = {}

    def keep(self, response_id: str, given: Sequence[Json], made: Sequence[Json]) -> None:
        """Store a response: what was given, and what was made of it."""
        thought = ""
        with self._lock:
            self._responses[response_id] = [*given, *made]
            for item in made:
                self._items[item["id"]] = item
                if item["type"] == "reasoning":
                    thought = item["id"]
                elif thought:
                    self._thoughts[item["id"]] = thought

    def item(self, id_: str) -> Json | None:
        """A stored item."""
        with self._lock:
            return self._items.get(id_)

    def thought_before(self, id_: str) -> str | None:
        """The id of the reasoning that led to a stored item."""
        with self._lock:
            return self._thoughts.get(id_)

    def before(self, response_id: str) -> list[Json]:
        """The whole conversation up to a stored response.

        Raises:
            ApiError: it was never stored.
        """
        with self._lock:
            found = self._responses.get(response_id)
        if found is None:
            raise ApiError(
                f"Previous response with id '{response_id}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return found


def check_items(told: Any, before: Sequence[Json], store: ItemStore, sealed: Callable[[str], bool]) -> list[Json]:
    """The items of a request's input, references replaced by what they refer to.

    Args:
        told: the input.
        before: the conversation that it goes on with.
        store: what was stored.
        sealed: whether an encrypted content is the provider's own.

    Raises:
        ApiError: an item is malformed, unknown or without the one that belongs to it.
    """
    if isinstance(told, str):
        return [{"type": "message", "role": "user", "content": told}]
    if not isinstance(told, list):
        raise wrong_type("input", "one of a string or array of objects", told)
    items = [_item(item, f"input[{index}]", store, sealed) for index, item in enumerate(told)]
    _check_pairs([*before, *items])
    _check_thoughts(items, [*before, *items], store)
    return items


def _item(item: Any, where: str, store: ItemStore, sealed: Callable[[str], bool]) -> Json:
    if not isinstance(item, dict):
        raise wrong_type(where, "an object", item)
    kind = item.get("type", "message" if "role" in item else None)
    if kind is None:
        raise missing(f"{where}.type")
    if kind not in _FIELDS:
        if kind not in _OTHERS:
            raise _not_among(kind, sorted([*_FIELDS, *_OTHERS]), f"{where}.type")
        return item
    unknown = next((name for name in item if name not in _FIELDS[kind]), None)
    if unknown is not None:
        raise ApiError(f"Unknown parameter: '{where}.{unknown}'.", param=f"{where}.{unknown}", code="unknown_parameter")
    _check_id(item, kind, where)
    if kind == "item_reference":
        return _found(item["id"], store)
    if kind == "message":
        _check_message(item, where)
    elif kind == "reasoning":
        _check_reasoning(item, where, store, sealed)
    else:
        _check_call(item, kind, where)
    return {**item, "type": kind}


def _check_id(item: Json, kind: str, where: str) -> None:
    """Ids begin as OpenAI makes them (github.com/jlcodes99/cockpit-tools/issues/2090)."""
    id_ = item.get("id")
    if id_ is None:
        return
    begins = _PREFIXES.get(kind, "")
    if not isinstance(id_, str):
        raise wrong_type(f"{where}.id", "a string", id_)
    if not id_.startswith(begins):
        raise ApiError(
            f"Invalid '{where}.id': '{id_}'. Expected an ID that begins with '{begins}'.",
            param=f"{where}.id",
            code="invalid_value",
        )


def _check_message(item: Json, where: str) -> None:
    role = item.get("role")
    if role not in _ROLES:
        raise _not_among(role, _ROLES, where)
    content = item.get("content")
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise wrong_type(f"{where}.content", "one of an array of objects or string", content)
    for place, part in enumerate(content):
        here = f"{where}.content[{place}]"
        if not isinstance(part, dict):
            raise wrong_type(here, "an object", part)
        allowed = _SAID if role == "assistant" else _GIVEN
        if part.get("type") not in allowed:
            raise _not_among(part.get("type"), allowed, here)
        if part["type"].endswith("_text") and not isinstance(part.get("text"), str):
            raise missing(f"{here}.text")
        if part["type"] == "input_image" and not isinstance(part.get("image_url", ""), str | None):
            raise wrong_type(f"{here}.image_url", "an image URL", part["image_url"])


def _check_reasoning(item: Json, where: str, store: ItemStore, sealed: Callable[[str], bool]) -> None:
    """Reasoning is the provider's own: sealed in the item, or stored.

    Reported in github.com/openai/codex/issues/8138 (sealed), continuedev/continue/issues/9101 (stored) and
    newo-ether/Agora/issues/141 (summary).
    """
    if "summary" not in item:
        raise missing(f"{where}.summary")
    secret = item.get("encrypted_content")
    if secret is None:
        _found(item.get("id", ""), store)
    elif not sealed(secret):
        raise ApiError(
            f"The encrypted content for item {item.get('id')} could not be verified. Reason: Encrypted content could "
            "not be decrypted or parsed.",
            code="invalid_encrypted_content",
        )


def _check_call(item: Json, kind: str, where: str) -> None:
    required = ("call_id", "name", "arguments") if kind == "function_call" else ("call_id", "output")
    for name in required:
        if item.get(name) is None:
            raise missing(f"{where}.{name}")
    if kind == "function_call" and not isinstance(item["arguments"], str):
        raise wrong_type(f"{where}.arguments", "a string", item["arguments"])
    if kind == "function_call_output" and not isinstance(item["output"], str | list):
        raise wrong_type(f"{where}.output", "one of an array of objects or string", item["output"])
    check_length(item["call_id"], _LONGEST_CALL_ID, f"{where}.call_id")


def _found(id_: str, store: ItemStore) -> Json:
    found = store.item(id_)
    if found is None:
        raise ApiError(
            f"Item with id '{id_}' not found. Items are not persisted when `store` is set to false. Try again with "
            "`store` set to true, or remove this item from your input.",
            status=404,
            param="input",
        )
    return found


def _check_pairs(items: Sequence[Json]) -> None:
    """Every call has its output and every output its call, which stands before it."""
    calls = [item["call_id"] for item in items if item["type"] == "function_call"]
    answered: list[str] = []
    seen: set[str] = set()
    for item in items:
        if item["type"] == "function_call":
            seen.add(item["call_id"])
        elif item["type"] == "function_call_output":
            if item["call_id"] not in seen:
                told = f"No tool call found for function call output with call_id {item['call_id']}."
                raise ApiError(told, param="input")
            answered.append(item["call_id"])
    open_call = next((call for call in calls if call not in answered), None)
    if open_call is not None:
        raise ApiError(f"No tool output found for function call {open_call}.", param="input")


def _check_thoughts(items: Sequence[Json], all_items: Sequence[Json], store: ItemStore) -> None:
    """Reasoning goes with what it led to, and the other way round.

    Reported in github.com/openai/openai-node/issues/1567 and continuedev/continue/issues/12620.
    """
    for item, following in zip(items, [*items[1:], {"type": ""}], strict=True):
        made = following["type"].endswith("_call") or following["type"] == "reasoning"
        if item["type"] == "reasoning" and not (made or following.get("role") == "assistant"):
            told = f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item."
            raise ApiError(told, param="input")
    given = {item.get("id") for item in all_items if item["type"] == "reasoning"}
    for item in items:
        thought = store.thought_before(item.get("id") or "")
        if thought is not None and thought not in given:
            raise ApiError(
                f"Item '{item['id']}' of type '{item['type']}' was provided without its required 'reasoning' item: "
                f"'{thought}'.",
                param="input",
            )


def _not_among(value: object, allowed: Sequence[str], param: str) -> ApiError:
    *most, last = [f"'{name}'" for name in allowed]
    shown = ", ".join(most) + (", and " if len(most) > 1 else " and ") + last
    return ApiError(f"Invalid value: '{value}'. Supported values are: {shown}.", param=param, code="invalid_value")
