// Reading the JSON bodies of servers, which may hold anything: nothing here throws.
#pragma once

#include <optional>
#include <string>

#include "thoughtrank/core/json.h"

namespace thoughtrank {

// The body as JSON; nullopt, and why in `failure`, when it is none.
[[nodiscard]] std::optional<Json> parse_body(const std::string& text, std::string& failure);

// The member if it is there and not null.
[[nodiscard]] const Json* member(const Json& object, const char* key);

// The member if it is text, else "".
[[nodiscard]] std::string text_member(const Json& object, const char* key);

// The member if it is a token count; `otherwise` where it is missing; nullopt where it is neither.
[[nodiscard]] std::optional<int64_t> token_count(const Json& object,
                                                 const char* key,
                                                 std::optional<int64_t> otherwise = {});

// The text of a message's content: a string, or a list of parts of which those of type "text"
// count.
[[nodiscard]] std::optional<std::string> content_text(const Json& message);

}  // namespace thoughtrank
