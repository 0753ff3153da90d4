// Pre-tokenizer patterns of tokenizer.json (written for Oniguruma) on PCRE2. A construct whose
// meaning differs between the two, or is not known here, is an error that names it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace thoughtrank {

class Regex {
 public:
  // Error(kBadData) beginning with `where` when the pattern is not understood.
  Regex(std::string_view pattern, const std::string& where);
  // Matches `literal` character by character.
  static Regex of_literal(std::string_view literal, const std::string& where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // Matches and the text between them, in order, none empty. `text` must be valid UTF-8.
  [[nodiscard]] std::vector<std::string_view> isolate(std::string_view text) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

// The pattern in PCRE2's words: "\s+(?!\S)" -> "\p{White_Space}+(?!\P{White_Space})". U+180E is no
// white space for Oniguruma, but is for PCRE2's \s.
[[nodiscard]] std::string translate_pattern(std::string_view pattern, const std::string& where);

}  // namespace thoughtrank
