"""How each provider wraps a text, and the errors and special replies that its documentation describes."""

GOOD = '{"ranking": ["F", "A", "B", "C"]}'
ORDER = ["F", "A", "B", "C"]


def chat(text, finish="stop", usage=True, **message):
    """An OpenAI chat completion."""
    made = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "judge",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text, **message},
                         "logprobs": None, "finish_reason": finish}]}
    if usage:
        made["usage"] = {"prompt_tokens": 900, "completion_tokens": 20, "total_tokens": 920}
    return made


def messages(text, stop="end_turn", before=()):
    """An Anthropic message."""
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "judge",
            "content": [*before, {"type": "text", "text": text}], "stop_reason": stop, "stop_sequence": None,
            "usage": {"input_tokens": 900, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 20}}


def openai(text):
    made = chat(text, refusal=None, annotations=[])
    made["service_tier"] = "default"
    made["system_fingerprint"] = "fp_1"
    return made


def vllm(text):
    made = chat(text, tool_calls=[], reasoning_content=None)
    made["choices"][0]["stop_reason"] = None
    made["prompt_logprobs"] = None
    return made


def openrouter(text):
    made = chat(text, refusal=None, reasoning=None)
    made["provider"] = "Example"
    made["choices"][0]["native_finish_reason"] = "STOP"
    return made


def groq(text):
    made = chat(text)
    made["usage"].update(queue_time=0.01, prompt_time=0.02, completion_time=0.05, total_time=0.07)
    made["x_groq"] = {"id": "req_1"}
    return made


def ollama(text):
    made = chat(text)
    made["system_fingerprint"] = "fp_ollama"
    return made


def llama_cpp(text):
    made = chat(text)
    made["timings"] = {"prompt_n": 900, "predicted_n": 20}
    return made


PROVIDERS = {
    "openai": ("written from https://platform.openai.com/docs/api-reference/chat/object", openai),
    "anthropic": ("written from https://docs.anthropic.com/en/api/messages", messages),
    "vllm": ("written from https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html", vllm),
    "ollama": ("written from https://github.com/ollama/ollama/blob/main/docs/openai.md", ollama),
    "openrouter": ("written from https://openrouter.ai/docs/api-reference/overview", openrouter),
    "groq": ("written from https://console.groq.com/docs/api-reference", groq),
    "llama.cpp": ("written from https://github.com/ggml-org/llama.cpp/tree/master/tools/server", llama_cpp),
}


def openai_error(message, kind=None, code=None):
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic_error(kind, message):
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def router_error(code, message, **metadata):
    return {"error": {"code": code, "message": message, "metadata": metadata}}


RATE = "Rate limit reached for judge in organization org-1 on requests per min (RPM): Limit 3, Used 3. Please try again in 20s."
CONTEXT = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."


def openai_errors():
    yield from [("openai", name, status, openai_error(*rest), expect) for name, status, rest, expect in [
        ("key", 401, ("Incorrect API key provided: sk-***.", "invalid_request_error", "invalid_api_key"), "no_credentials"),
        ("country", 403, ("Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"), "no_credentials"),
        ("model", 404, ("The model `judge` does not exist", "invalid_request_error", "model_not_found"), "failed"),
        ("rate", 429, (RATE, "requests", "rate_limit_exceeded"), "retry"),
        ("quota", 429, ("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota"), "no_money"),
        ("hard-limit", 400, ("Billing hard limit has been reached", "invalid_request_error", "billing_hard_limit_reached"), "no_money"),
        ("tokens-per-minute", 429, ("Request too large for judge on tokens per min (TPM): Limit 30000, Requested 40000.", "tokens", "rate_limit_exceeded"), "too_long"),
        ("context", 400, (CONTEXT, "invalid_request_error", "context_length_exceeded"), "too_long"),
        ("unknown-field", 400, ("Unknown parameter: 'x'.", "invalid_request_error", "unknown_parameter"), "failed"),
        ("max-tokens", 400, ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "invalid_request_error", "unsupported_parameter"), "failed"),
        ("schema", 400, ("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.", "invalid_request_error", None), "failed"),
        ("server", 500, ("The server had an error while processing your request.", "server_error", None), "retry"),
        ("overloaded", 503, ("The engine is currently overloaded, please try again later.", "service_unavailable", None), "retry"),
        ("timeout", 408, ("Request timed out.", "timeout", None), "retry"),
        ("conflict", 409, ("The resource was updated by another process.", "conflict", None), "retry"),
    ]]


def anthropic_errors():
    yield from [("anthropic", name, status, anthropic_error(*rest), expect) for name, status, rest, expect in [
        ("key", 401, ("authentication_error", "invalid x-api-key"), "no_credentials"),
        ("permission", 403, ("permission_error", "Your API key does not have permission to use the specified resource."), "no_credentials"),
        ("credit", 400, ("invalid_request_error", "Your credit balance is too low to access the Anthropic API."), "no_money"),
        ("billing", 402, ("billing_error", "There is an issue with your billing."), "no_money"),
        ("usage-limit", 400, ("invalid_request_error", "You have reached your specified API usage limits."), "no_money"),
        ("model", 404, ("not_found_error", "model: judge"), "failed"),
        ("too-large", 413, ("request_too_large", "Request exceeds the maximum allowed number of bytes."), "too_long"),
        ("context", 400, ("invalid_request_error", "prompt is too long: 209753 tokens > 200000 maximum"), "too_long"),
        ("rate", 429, ("rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute."), "retry"),
        ("internal", 500, ("api_error", "Internal server error"), "retry"),
        ("overloaded", 529, ("overloaded_error", "Overloaded"), "retry"),
        ("timeout", 504, ("timeout_error", "Request timed out"), "retry"),
        ("max-tokens", 400, ("invalid_request_error", "max_tokens: Field required"), "failed"),
    ]]


def server_errors():
    """Servers that people run themselves."""
    yield from [("vllm", name, status, body, expect) for name, status, body, expect in [
        ("context", 400, {"object": "error", "message": CONTEXT, "type": "BadRequestError", "param": None, "code": 400}, "too_long"),
        ("context-new", 400, openai_error(CONTEXT, "BadRequestError", 400), "too_long"),
        ("model", 404, {"object": "error", "message": "The model `judge` does not exist.", "type": "NotFoundError", "param": None, "code": 404}, "failed"),
        ("key", 401, {"error": "Unauthorized"}, "no_credentials"),
        ("internal", 500, "Internal Server Error", "retry"),
        ("dead-engine", 500, openai_error("EngineCore encountered an issue.", "InternalServerError", 500), "retry"),
    ]]
    yield from [("ollama", name, status, body, expect) for name, status, body, expect in [
        ("model", 404, openai_error("model \"judge\" not found, try pulling it first", "api_error"), "failed"),
        ("busy", 503, openai_error("server busy, please try again. maximum pending requests exceeded", "api_error"), "retry"),
        ("runner", 500, openai_error("llama runner process has terminated: signal: killed", "api_error"), "retry"),
    ]]
    yield from [("llama.cpp", name, status, body, expect) for name, status, body, expect in [
        ("loading", 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "retry"),
        ("context", 400, {"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it", "type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 4096}}, "too_long"),
        ("grammar", 400, {"error": {"code": 400, "message": "failed to parse grammar", "type": "invalid_request_error"}}, "failed"),
        ("key", 401, {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}}, "no_credentials"),
    ]]


def router_errors():
    yield from [("openrouter", name, status, router_error(*rest), expect) for name, status, rest, expect in [
        ("key", 401, (401, "No auth credentials found"), "no_credentials"),
        ("credits", 402, (402, "This request requires more credits, or fewer max_tokens."), "no_money"),
        ("key-limit", 403, (403, "Key limit exceeded (total limit)."), "no_money"),
        ("moderation", 403, (403, "Your chosen model requires moderation and your input was flagged"), "failed"),
        ("timeout", 408, (408, "Your request timed out"), "retry"),
        ("rate", 429, (429, "Rate limit exceeded: free-models-per-min."), "retry"),
        ("down", 502, (502, "Your chosen model is down or we received an invalid response from it"), "retry"),
        ("no-provider", 503, (503, "There is no available model provider that meets your routing requirements"), "retry"),
        ("down-inside-200", 200, (502, "Provider returned error"), "retry"),
        ("rate-inside-200", 200, (429, "Provider returned error"), "retry"),
        ("credits-inside-200", 200, (402, "Insufficient credits"), "no_money"),
        ("key-inside-200", 200, (401, "User not found."), "no_credentials"),
        ("text-code-inside-200", 200, ("server_error", "Provider disconnected"), "abstain"),
    ]]
    yield from [("groq", name, status, openai_error(*rest), expect) for name, status, rest, expect in [
        ("rate", 429, ("Rate limit reached for model `judge` on tokens per minute (TPM): Limit 6000, Used 5900.", "tokens", "rate_limit_exceeded"), "retry"),
        ("too-large", 413, ("Request too large for model `judge` on tokens per minute (TPM): Limit 6000, Requested 8000.", "tokens", "rate_limit_exceeded"), "too_long"),
        ("json-failed", 400, ("Failed to generate JSON. Please adjust your prompt.", "invalid_request_error", "json_validate_failed"), "failed"),
        ("capacity", 498, ("Flex tier capacity exceeded", "capacity", "capacity_exceeded"), "failed"),
    ]]


def plain_errors():
    """Of proxies and of nobody in particular."""
    yield from [("any", name, status, body, expect) for name, status, body, expect in [
        ("redirect", 307, "", "failed"),
        ("not-modified", 304, "", "failed"),
        ("early-hints", 425, "", "retry"),
        ("gateway-page", 502, "<html><head><title>502 Bad Gateway</title></head></html>", "retry"),
        ("cloudflare", 520, "error code: 520", "retry"),
        ("quota-word-in-an-answer", 400, openai_error("bad input: " + "x" * 300 + " insufficient_quota", "invalid_request_error"), "failed"),
        ("teapot", 418, "{}", "failed"),
        ("no-content", 204, "", "failed"),
        ("payment", 402, "", "no_money"),
    ]]


def errors():
    """(provider, name, status, body, what it means)"""
    for of_kind in (openai_errors, anthropic_errors, server_errors, router_errors, plain_errors):
        yield from of_kind()


def specials():
    """(provider, name, body, expect, ranking): replies of status 200 beside the plain ones."""
    def without(body, *path):
        at = body
        for key in path[:-1]:
            at = at[key]
        del at[path[-1]]
        return body

    yield "openai", "refusal-field", chat(None, refusal="I can't assist with that."), "abstain", None
    yield "openai", "refusal-with-json", chat(GOOD, refusal="I can't assist with that."), "abstain", None
    yield "openai", "length-with-json", chat(GOOD, "length"), "abstain", None
    yield "openai", "filter-with-json", chat(GOOD, "content_filter"), "abstain", None
    yield "openai", "tool-calls", chat(None, "tool_calls", tool_calls=[{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]), "abstain", None
    yield "openai", "null-content", chat(None), "abstain", None
    yield "openai", "number-content", chat(7), "abstain", None
    yield "openai", "parts", chat([{"type": "text", "text": GOOD[:9]}, {"type": "text", "text": GOOD[9:]}]), "ranking", ORDER
    yield "openai", "no-finish-reason", chat(GOOD, None), "ranking", ORDER
    yield "openai", "no-usage", chat(GOOD, usage=False), "ranking", ORDER
    yield "openai", "no-choices", {**chat(GOOD), "choices": []}, "abstain", None
    yield "openai", "two-choices", {**chat(GOOD), "choices": chat(GOOD)["choices"] * 2}, "abstain", None
    yield "openai", "no-message", without(chat(GOOD), "choices", 0, "message"), "abstain", None
    yield "openai", "choices-object", {**chat(GOOD), "choices": chat(GOOD)["choices"][0]}, "abstain", None
    yield "openai", "completion-text", {"object": "text_completion", "choices": [{"text": GOOD, "finish_reason": "stop"}]}, "abstain", None
    yield "openai", "negative-usage", {**chat(GOOD), "usage": {"prompt_tokens": -5, "completion_tokens": 2**70}}, "ranking", ORDER
    yield "vllm", "reasoning-content", chat(GOOD, reasoning_content="A first guess: {\"ranking\": [\"A\"]}"), "ranking", ORDER
    yield "vllm", "reasoning-only", chat(None, reasoning_content=GOOD), "abstain", None
    yield "vllm", "abort", chat(GOOD, "abort"), "abstain", None
    yield "ollama", "thinking", chat(GOOD, reasoning="Let me compare."), "ranking", ORDER
    yield "ollama", "native-api", {"model": "judge", "message": {"role": "assistant", "content": GOOD}, "done": True}, "abstain", None
    yield "ollama", "load-reason", chat("", "load"), "abstain", None
    yield "openrouter", "choice-error", {"id": "1", "choices": [{"index": 0, "finish_reason": "error", "error": {"code": 502, "message": "Provider error"}, "message": {"role": "assistant", "content": GOOD}}]}, "abstain", None
    yield "openrouter", "error-finish", chat(GOOD[:12], "error"), "abstain", None
    yield "openrouter", "reasoning", chat(GOOD, reasoning="F, surely."), "ranking", ORDER
    yield "groq", "reasoning", chat(GOOD, reasoning="F, surely."), "ranking", ORDER
    yield "llama.cpp", "eos", chat(GOOD, "eos"), "ranking", ORDER
    thinking = {"type": "thinking", "thinking": "A first guess " + GOOD.replace("F", "Z"), "signature": "x"}
    yield "anthropic", "thinking", messages(GOOD, before=[thinking]), "ranking", ORDER
    yield "anthropic", "redacted-thinking", messages(GOOD, before=[{"type": "redacted_thinking", "data": "x"}]), "ranking", ORDER
    yield "anthropic", "two-blocks", messages(GOOD[9:], before=[{"type": "text", "text": GOOD[:9]}]), "ranking", ORDER
    yield "anthropic", "max-tokens-with-json", messages(GOOD, "max_tokens"), "abstain", None
    yield "anthropic", "refusal-with-json", messages(GOOD, "refusal"), "abstain", None
    yield "anthropic", "context-window", messages(GOOD, "model_context_window_exceeded"), "abstain", None
    yield "anthropic", "tool-use", messages(GOOD, "tool_use"), "abstain", None
    yield "anthropic", "pause-turn", messages(GOOD, "pause_turn"), "abstain", None
    yield "anthropic", "no-stop-reason", messages(GOOD, None), "abstain", None
    yield "anthropic", "empty-content", {**messages(GOOD), "content": []}, "abstain", None
    yield "anthropic", "error-inside-200", anthropic_error("overloaded_error", "Overloaded"), "abstain", None
    yield "anthropic", "stop-sequence", messages(GOOD, "stop_sequence"), "ranking", ORDER
    yield "anthropic", "openai-shape", chat(GOOD), "abstain", None
