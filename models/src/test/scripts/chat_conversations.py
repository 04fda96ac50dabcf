"""The conversations and settings that every family's template is rendered with."""

TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The <current> weather & more.", "parameters": {
        "type": "object", "properties": {
            "city": {"type": "string", "description": "City, e.g. Zürich"},
            "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
            "days": {"type": "array", "items": {"type": "integer"}}, "more": {"type": ["string", "null"]}}, "required": ["city"]}}},
    {"type": "function", "function": {"name": "stop", "description": "No \"arguments\"", "parameters": {"type": "object", "properties": {}}}},
]
DOCUMENTS = [{"doc_id": 1, "title": "Früh <b>", "text": "First.\nSecond line."}, {"title": "B", "text": "It's \"B\" & more", "page": 2}]


def message(role, content, **more):
    return {"role": role, "content": content, **more}


def call(arguments, id="abcdefghi", name="get_weather"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


ASKED = message("user", "Weather?")
ARGUMENTS = {"city": "Zürich <&>", "days": [1, 2], "ok": True, "x": None, "f": 1.5, "o": {}, "q": "it's \"q\"\n"}
ANSWER = message("tool", "{\"t\": 20, \"u\": \"°C\"}", name="get_weather", tool_call_id="abcdefghi")
ANSWER_2 = message("tool", "5", name="get_weather", tool_call_id="jklmnopqr")

CONVERSATIONS = {
    "one": [message("user", "Hi there")],
    "system": [message("system", " Be brief. "), message("user", "Hi 😀 <b>日本</b> & \"q\" 'a' {{ x }} {% if %}")],
    "developer": [message("developer", "Be kind."), message("user", "Hi")],
    "turns": [message("user", "1+1?"), message("assistant", "2"), message("user", "Sure?\n"), message("assistant", " yes "), message("user", "ok")],
    "long": [message("system", "S\n\nT"), message("user", "a"), message("assistant", "b"), message("user", "c"), message("assistant", "d\n")],
    "mode": [message("system", "Short. /no_think"), message("user", "Hi /nothink"), message("assistant", "Ho")],
    "thought": [message("user", "q"), message("assistant", "<think>\nhm\n</think>\n\na"), message("user", "q2"), message("assistant", "<think>\nhm2\n</think>\n\na2")],
    "reasoning": [message("user", "q"), message("assistant", "a", reasoning_content="because"), message("user", "q2"), message("assistant", "b", reasoning_content="\nso\n", thinking="so")],
    "call": [ASKED, message("assistant", None, tool_calls=[call(ARGUMENTS)])],
    "tool": [message("system", "Use tools."), ASKED, message("assistant", "", tool_calls=[call(ARGUMENTS)]), ANSWER, message("assistant", "20 degrees"), message("user", "thanks")],
    "tool, text": [ASKED, message("assistant", "Let me see.", tool_calls=[call("{\"city\": \"Rome\"}")]), ANSWER],
    "tool, thought": [ASKED, message("assistant", "<think>\nI must look\n</think>\n\n", tool_calls=[call({"city": "Rome"})]), ANSWER, message("assistant", "<think>\nok\n</think>\n\n20")],
    "tool, no arguments": [ASKED, message("assistant", "", tool_calls=[call({}, name="stop")]), message("tool", "", tool_call_id="abcdefghi")],
    "two tools": [ASKED, message("assistant", "", tool_calls=[call({"city": "Rome"}), call({"city": "Oslo"}, "jklmnopqr")]), ANSWER, ANSWER_2, message("user", "so?")],
    "tool, object": [ASKED, message("assistant", "", tool_calls=[call({"city": "Rome"})]), message("tool", {"t": 20, "l": [1.0, None]}, tool_call_id="abcdefghi")],
    "parts": [message("system", [{"type": "text", "text": "s"}]), message("user", [{"type": "text", "text": "look"}, {"type": "image"}, {"type": "text", "text": " here"}]), message("assistant", [{"type": "text", "text": "ok"}])],
    "empty": [],
    "empty text": [message("system", ""), message("user", ""), message("assistant", "")],
    # What a template refuses, it must refuse in the same words.
    "assistant first": [message("assistant", "a"), message("assistant", "b")],
    "two users": [message("user", "a"), message("user", "b")],
    "late system": [message("user", "a"), message("assistant", "b"), message("system", "c"), message("user", "d")],
    "tool first": [message("tool", "5", tool_call_id="x")],
    "call id": [ASKED, message("assistant", "", tool_calls=[call({"city": "Rome"}, "call_12345")]), message("tool", "5", tool_call_id="call_12345")],
    "unknown role": [message("user", "a"), message("narrator", "b")],
    "no content": [message("user", None)],
    "tags": [message("user", "a"), message("assistant", "<|channel|>final<|message|>b"), message("user", "c")],
}

# What apply_chat_template passes to a template even when its caller does not.
ALWAYS = {"tools": None, "documents": None, "add_generation_prompt": False}
SETTINGS = {
    "ask": {"add_generation_prompt": True},
    "plain": {},
    "tools": {"add_generation_prompt": True, "tools": TOOLS},
    "tools, plain": {"add_generation_prompt": False, "tools": TOOLS},
    "no thinking": {"add_generation_prompt": True, "enable_thinking": False, "thinking": False, "reasoning_effort": "high", "date_string": "26 Jul 2024"},
    "documents": {"add_generation_prompt": True, "documents": DOCUMENTS, "controls": {"citations": True, "length": "short"}, "thinking": True},
    "special": {"add_generation_prompt": True, "tools": TOOLS[:1], "tools_in_user_message": False, "builtin_tools": ["get_weather", "code_interpreter"],
                "python_tools": ["def f(x): ..."], "model_identity": "You are A.", "documents": DOCUMENTS[1:]},
}
# Not a setting of variables but another way to render: the last message stays open.
CONTINUED = "continued"

# Each family's bos_token and eos_token.
FAMILIES = {
    "smollm2": ("<|im_start|>", "<|im_end|>"), "smollm3": ("<|im_start|>", "<|im_end|>"), "llama2": ("<s>", "</s>"),
    "llama3.1": ("<|begin_of_text|>", "<|eot_id|>"), "mistral-v3": ("<s>", "</s>"), "mistral-v7": ("<s>", "</s>"),
    "qwen2.5": ("<|endoftext|>", "<|im_end|>"), "qwen3": ("<|endoftext|>", "<|im_end|>"), "gemma2": ("<bos>", "<eos>"),
    "gemma3": ("<bos>", "<eos>"), "phi3": ("<s>", "<|endoftext|>"), "phi4-mini": ("<|endoftext|>", "<|endoftext|>"),
    "deepseek-v3": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"), "granite3": ("<|end_of_text|>", "<|end_of_text|>"),
    "command-r": ("<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"), "hermes": ("<|begin_of_text|>", "<|im_end|>"),
    "olmo2": ("<|endoftext|>", "<|endoftext|>"), "glm4": ("<|endoftext|>", "<|endoftext|>"),
    "gpt-oss": ("<|startoftext|>", "<|return|>"), "functionary": ("<|begin_of_text|>", "<|eot_id|>"),
}
