#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

[[noreturn]] void refuse(const std::string& where, std::string_view construct) {
  fail(ExitCode::kBadData,
       "{}: the regular expression holds '{}', which thoughtrank does not understand",
       where,
       construct);
}

// What follows a backslash, `at` pointing behind it; moves `at` behind the escape.
std::string translate_escape(std::string_view pattern, size_t& at, const std::string& where) {
  if (at >= pattern.size()) refuse(where, "\\ at the end");
  const char letter = pattern[at++];
  if (letter == 's') return "\\p{White_Space}";
  if (letter == 'S') return "\\P{White_Space}";
  const bool is_word = std::isalnum(static_cast<unsigned char>(letter)) != 0;
  if (is_word && std::string_view("rntpPd").find(letter) == std::string_view::npos) {
    refuse(where, std::string("\\") + letter);
  }
  if (static_cast<unsigned char>(letter) >= 0x80) refuse(where, "\\ before a non-ASCII character");
  if (letter != 'p' && letter != 'P') return std::string("\\") + letter;
  const size_t end = pattern.find('}', at);
  if (at >= pattern.size() || pattern[at] != '{' || end == std::string_view::npos) {
    refuse(where, std::string("\\") + letter);
  }
  const std::string_view property = pattern.substr(at, end + 1 - at);  // "{L}"
  at = end + 1;
  return fmt::format("\\{}{}", letter, property);
}

// Constructs that Oniguruma and PCRE2 read differently.
void check_construct(std::string_view pattern, size_t at, bool in_class, const std::string& where) {
  const std::string_view rest = pattern.substr(at);
  if (in_class) {
    if (rest.starts_with('[') || rest.starts_with("&&")) refuse(where, rest.substr(0, 2));
    return;
  }
  if (rest[0] == '.' || rest[0] == '^' || rest[0] == '$') refuse(where, rest.substr(0, 1));
  if (rest.starts_with("}+")) refuse(where, "}+");
  if (rest.starts_with("(*")) refuse(where, "(*");
  if (rest.starts_with("(?") && !rest.starts_with("(?:") && !rest.starts_with("(?i:") &&
      !rest.starts_with("(?=") && !rest.starts_with("(?!")) {
    refuse(where, rest.substr(0, 4));
  }
}

}  // namespace

std::string translate_pattern(std::string_view pattern, const std::string& where) {
  std::string translated;
  bool in_class = false;
  for (size_t at = 0; at < pattern.size();) {
    const char letter = pattern[at];
    if (letter == '\\') {
      translated += translate_escape(pattern, ++at, where);
      continue;
    }
    check_construct(pattern, at, in_class, where);
    if (letter == '[') in_class = true;
    if (letter == ']') in_class = false;
    translated += letter;
    ++at;
  }
  return translated;
}

struct Regex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

Regex::Regex(std::string_view pattern, const std::string& where) : code_(new Code) {
  const std::string translated = translate_pattern(pattern, where);
  int error = 0;
  size_t offset = 0;
  code_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                              translated.size(),
                              PCRE2_UTF | PCRE2_UCP,
                              &error,
                              &offset,
                              nullptr);
  if (code_->code == nullptr) {
    fail(ExitCode::kBadData,
         "{}: not a regular expression: {} near '{}'",
         where,
         message_of(error),
         translated.substr(std::min(offset, translated.size())));
  }
  pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE);  // without it the interpreter runs
}

Regex Regex::of_literal(std::string_view literal, const std::string& where) {
  std::string pattern;
  for (const char letter : literal) {
    const bool is_punctuation = std::ispunct(static_cast<unsigned char>(letter)) != 0;
    if (is_punctuation) pattern += '\\';
    pattern += letter;
  }
  return Regex(pattern, where);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

std::vector<std::string_view> Regex::isolate(std::string_view text) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
      pcre2_match_data_create_from_pattern(code_->code, nullptr), &pcre2_match_data_free);
  const auto* bytes = reinterpret_cast<PCRE2_SPTR>(text.data());
  std::vector<std::string_view> parts;
  size_t done = 0;
  while (done < text.size()) {
    const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    int found = pcre2_match(code_->code, bytes, text.size(), done, options, match.get(), nullptr);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
      found = pcre2_match(
          code_->code, bytes, text.size(), done, options | PCRE2_NO_JIT, match.get(), nullptr);
    }
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) fail(ExitCode::kInternal, "pre-tokenizer: {}", message_of(found));
    const size_t* span = pcre2_get_ovector_pointer(match.get());
    if (span[0] > done) parts.push_back(text.substr(done, span[0] - done));
    parts.push_back(text.substr(span[0], span[1] - span[0]));
    done = span[1];
  }
  if (done < text.size()) parts.push_back(text.substr(done));
  return parts;
}

}  // namespace thoughtrank
