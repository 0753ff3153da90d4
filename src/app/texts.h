// The texts of src/app/help and src/app/completion, compiled in (embed_texts.cmake): what stands in
// the file is what the user sees.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thoughtrank {

struct Text {
  std::string_view name;  // "help/judge.md"
  std::string_view text;
};

// Every text, by name in order.
[[nodiscard]] const std::vector<Text>& texts();

// Throws std::out_of_range for a name without a text.
[[nodiscard]] std::string find_text(const std::string& name);

// Replaces each "@NAME@" by its value.
[[nodiscard]] std::string fill_in(const std::string& text,
                                  const std::vector<std::pair<std::string, std::string>>& values);

// Markdown as it is shown in a terminal: the fences of code are left out, the code is indented.
[[nodiscard]] std::string without_fences(const std::string& markdown);

// Splits at line breaks; the last line needs none.
[[nodiscard]] std::vector<std::string> lines_of(const std::string& text);

// Breaks a text at spaces into lines of at most `width` bytes; a longer word has a line of its own.
[[nodiscard]] std::vector<std::string> wrap(const std::string& text, size_t width);

}  // namespace thoughtrank
