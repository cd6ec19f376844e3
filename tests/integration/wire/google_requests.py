"""Requests to Google's generateContent: which it refuses, in which words, and which it takes."""

from typing import Any

FN = {"name": "add", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}}
USER = {"role": "user", "parts": [{"text": "hi"}]}
SAID = {"role": "model", "parts": [{"text": "x"}]}
CALL = {"role": "model", "parts": [{"functionCall": {"name": "add", "args": {"a": 1}}}]}
ANSWER = {"role": "user", "parts": [{"functionResponse": {"name": "add", "response": {"output": 3}}}]}


def tool(**more: Any) -> dict[str, Any]:
    """A request with one function."""
    return {"tools": [{"functionDeclarations": [{**FN, **more}]}]}


def parameters(**more: Any) -> dict[str, Any]:
    """A request with a function of one parameter."""
    return tool(parameters={"type": "OBJECT", "properties": {"a": {"type": "STRING", **more}}})


def part(**more: Any) -> dict[str, Any]:
    """A user's content of one part."""
    return {"contents": [{"role": "user", "parts": [more]}]}


def config(**more: Any) -> dict[str, Any]:
    """A request with settings."""
    return {"generationConfig": more}


# Name -> changes of a plain request, and what the refusal says.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no contents": ({"contents": []}, "contents is not specified"),
    "unknown field": ({"messages": []}, 'Unknown name "messages": Cannot find field.'),
    "unknown setting": (config(maxTokens=3), "Unknown name \"max_tokens\" at 'generation_config': Cannot find field."),
    "chat role": ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "Please use a valid role"),
    "system role": ({"contents": [{"role": "system", "parts": [{"text": "x"}]}, USER]}, "Please use a valid role"),
    "no parts": ({"contents": [{"role": "user", "parts": []}]}, "contents[0].parts: contents.parts must not be empty."),
    "empty system": (
        {"systemInstruction": {"parts": []}},
        "system_instruction.parts: contents.parts must not be empty",
    ),
    "cache mark": (part(text="x", cache_control={}), "Unknown name \"cache_control\" at 'contents[0].parts[0]'"),
    "block": (part(type="text", text="x"), "Unknown name \"type\" at 'contents[0].parts[0]'"),
    "no data": (part(thought=True), "required oneof field 'data' must have one initialized field"),
    "two data": (part(text="x", fileData={"fileUri": "u"}), "oneof field 'data' is already set"),
    "untyped image": (part(inlineData={"data": "eA=="}), "inline_data.mime_type"),
    "model alone": ({"contents": [SAID]}, "single turn requests end with a user role"),
    "model first": ({"contents": [SAID, USER]}, "multiturn requests alternate between user and model"),
    "call first": ({"contents": [CALL, ANSWER]}, "function call turn comes immediately after a user turn"),
    "call after words": ({"contents": [USER, SAID, CALL, ANSWER]}, "function call turn comes immediately after"),
    "answer to nothing": (
        {"contents": [USER, ANSWER]},
        "function response turn comes immediately after a function call",
    ),
    "unanswered": ({"contents": [USER, CALL, USER]}, "the number of function response parts is equal to the number"),
    "half answered": (
        {"contents": [USER, {"role": "model", "parts": CALL["parts"] * 2}, ANSWER]},
        "the number of function response parts is equal to the number of function call parts",
    ),
    "words for an answer": (
        {"contents": [USER, CALL, {"role": "user", "parts": [{"functionResponse": {"name": "add", "response": "3"}}]}]},
        "function_response.response' (type.googleapis.com/google.protobuf.Struct)",
    ),
    "raw arguments": (
        {"contents": [USER, {"role": "model", "parts": [{"functionCall": {"name": "add", "args": "{}"}}]}, ANSWER]},
        "function_call.args' (type.googleapis.com/google.protobuf.Struct)",
    ),
    "nameless answer": (
        {"contents": [USER, CALL, {"role": "user", "parts": [{"functionResponse": {"response": {}}}]}]},
        "function_response.name: Name cannot be empty.",
    ),
    "foreign signature": (part(text="x", thoughtSignature="eA=="), "Corrupted thought signature."),
    "unsigned call": (
        {"model": "gemini-3-pro-preview", "contents": [USER, CALL, ANSWER]},
        "Function call is missing a thought_signature in functionCall parts.",
    ),
    "odd name": (tool(name="1 add"), "Invalid function name."),
    "const": (parameters(const="x"), "tools[0].function_declarations[0].parameters.properties[0].value': Cannot find"),
    "closed object": (tool(parameters={"type": "OBJECT", "additionalProperties": False}), '"additional_properties"'),
    "types": (parameters(type=["STRING", "NULL"]), "Proto field is not repeating, cannot start list."),
    "numbers to choose": (parameters(enum=[1, 2]), "enum[0]' (TYPE_STRING), 1"),
    "schema name": (config(responseSchema={"$schema": "x"}), "\"$schema\" at 'generation_config.response_schema'"),
    "two schemas": (config(responseSchema={"type": "STRING"}, responseJsonSchema={"type": "string"}), "only one of"),
    "forced nothing": ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "without function_declarations"),
    "a mode for nothing": (
        {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}},
        "without function_declarations",
    ),
    "own tool beside": ({"tools": [{"googleSearch": {}}, *tool()["tools"]]}, "Tool use with function calling"),
    "other function": (
        {**tool(), "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}}},
        "x is not among the function_declarations",
    ),
    "chat choice": ({**tool(), "toolConfig": {"functionCallingConfig": {"mode": "required"}}}, '"required"'),
    "hot": (config(temperature=2.5), "temperature must be in the range [0.0, 2.0]"),
    "no room": (config(maxOutputTokens=0), "must be positive"),
    "six stops": (config(stopSequences=list("abcdef")), "at most 5 stop sequences"),
    "two thoughts": (
        config(thinkingConfig={"thinkingBudget": 1, "thinkingLevel": "LOW"}),
        "only one of thinking budget",
    ),
    "tools and json": ({**tool(), **config(responseMimeType="application/json")}, "is unsupported"),
}

TAKEN: dict[str, dict[str, Any]] = {
    "plain": {},
    "no role": {"contents": [{"parts": [{"text": "hi"}]}]},
    "the same role twice": {"contents": [USER, USER, SAID, SAID, USER]},
    "a history with calls": {"contents": [USER, CALL, ANSWER, SAID, USER]},
    "two calls in a row": {"contents": [USER, CALL, ANSWER, CALL, ANSWER]},
    "names of protocol buffers": {"contents": [USER], "system_instruction": {"parts": [{"text": "x"}]}},
    "image and file": {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"inlineData": {"mimeType": "image/png", "data": "eA=="}},
                    {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.test/a.pdf"}},
                ],
            }
        ]
    },
    "plain schemas": tool(parametersJsonSchema={"type": "object", "additionalProperties": False}, parameters=None),
    "json and forbidden calls": {
        **tool(),
        **config(responseMimeType="application/json"),
        "toolConfig": {"functionCallingConfig": {"mode": "NONE"}},
    },
    "own tool beside, and said so": {
        "tools": [{"googleSearch": {}}, *tool()["tools"]],
        "toolConfig": {"includeServerSideToolInvocations": True},
    },
    "own tools": {"tools": [{"googleSearch": {}}]},
    "unsigned, and said so": {
        "model": "gemini-3-pro-preview",
        "contents": [
            USER,
            {**CALL, "parts": [{**CALL["parts"][0], "thoughtSignature": "skip_thought_signature_validator"}]},
            ANSWER,
        ],
    },
    "unsigned in an earlier turn": {"model": "gemini-3-pro-preview", "contents": [USER, CALL, ANSWER, SAID, USER]},
}
