#include "thoughtrank/judge/reference.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <regex>

#include "judge/candidates.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/shorten.h"
#include "thoughtrank/judge/judge.h"

namespace thoughtrank {
namespace {

constexpr size_t kLongestSearched = 1 << 16;

// libstdc++'s breadth-first matcher: time is polynomial whatever the pattern and the text, and the
// stack does not grow with the text.
std::regex compiled(const std::string& pattern) {
  return std::regex(pattern, std::regex::ECMAScript | std::regex_constants::__polynomial);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "1,042.50" without its commas.
std::string without_commas(std::string text) {
  std::erase(text, ',');
  return text;
}

bool are_equal(const std::optional<double>& found, const std::optional<double>& wanted) {
  return found && wanted && std::abs(*found - *wanted) <= 1e-6 * std::max(1.0, std::abs(*wanted));
}

}  // namespace

std::optional<double> last_number(const std::string& text) {
  size_t end = text.find_last_of("0123456789");
  if (end == std::string::npos) return std::nullopt;
  size_t from = end;
  const auto belongs = [&](size_t at) {  // digits, and single '.' or ',' between digits
    return is_digit(text[at]) || ((text[at] == '.' || text[at] == ',') && is_digit(text[at + 1]));
  };
  while (from > 0 && belongs(from - 1)) --from;
  from = text.find_first_of("0123456789", from);
  const bool has_sign = from > 0 && text[from - 1] == '-';
  const bool is_minus = has_sign && (from == 1 || !is_digit(text[from - 2]));
  const std::string digits = without_commas(text.substr(from, end + 1 - from));
  const double value = std::strtod(digits.c_str(), nullptr);
  return is_minus ? -value : value;
}

std::optional<std::string> chosen_label(const std::string& text) {
  const auto is_word = [&](size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0 ||
                                static_cast<unsigned char>(text[at]) >= 0x80 || text[at] == '\'');
  };
  const auto is_announced = [&](size_t at) {
    std::string before = text.substr(at < 16 ? 0 : at - 16, std::min<size_t>(at, 16));
    while (!before.empty() &&
           std::string_view(" \n(*\"").find(before.back()) != std::string::npos) {
      before.pop_back();
    }
    for (char& c : before) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return before.ends_with("answer is") || before.ends_with("answer:") ||
           before.ends_with("answer is:");
  };
  for (size_t at = 0; at < text.size(); ++at) {
    const bool is_single = is_word(at) && !is_word(at + 1) && (at == 0 || !is_word(at - 1));
    if (!is_single || text[at] == '\'' || static_cast<unsigned char>(text[at]) >= 0x80) continue;
    const size_t next = text.find_first_not_of("*\" ", at + 1);
    const bool ends = next == std::string::npos ||
                      std::string_view(".,:;)\n").find(text[next]) != std::string_view::npos;
    if (ends || is_announced(at)) return std::string(1, text[at]);
  }
  return std::nullopt;
}

bool matches_reference(const std::string& answer,
                       const std::string& reference,
                       ReferenceMatch match) {
  switch (match) {
    case ReferenceMatch::exact:
      return collapsed(answer) == collapsed(reference);
    case ReferenceMatch::numeric:
      return are_equal(last_number(answer), last_number(reference));
    case ReferenceMatch::choice: {
      const std::string wanted(trimmed(reference));
      const std::optional<std::string> found = chosen_label(answer);
      return found && wanted.size() == 1 &&
             std::toupper(static_cast<unsigned char>(found->front())) ==
                 std::toupper(static_cast<unsigned char>(wanted.front()));
    }
    case ReferenceMatch::regex:
      return std::regex_search(answer.substr(0, kLongestSearched), compiled(reference));
  }
  fail(ExitCode::kInternal, "unknown way to compare answers");
}

void require_reference(const PromptRow& prompt, ReferenceMatch match) {
  if (trimmed(prompt.answer).empty()) {
    fail(
        ExitCode::kConfig,
        "prompt '{}' has no 'answer' that answers could be compared with. Add one, or take another "
        "judge",
        prompt.prompt_id);
  }
  if (match == ReferenceMatch::numeric && !last_number(prompt.answer)) {
    fail(ExitCode::kBadData,
         "prompt '{}': judge.match numeric expects a number in 'answer', found none",
         prompt.prompt_id);
  }
  if (match == ReferenceMatch::choice && trimmed(prompt.answer).size() != 1) {
    fail(ExitCode::kBadData,
         "prompt '{}': match choice expects the label of an option in 'answer', one letter or "
         "digit, found '{}'",
         prompt.prompt_id,
         shorten(prompt.answer));
  }
  if (match != ReferenceMatch::regex) return;
  try {
    (void)compiled(prompt.answer);
  } catch (const std::regex_error& error) {
    fail(ExitCode::kBadData,
         "prompt '{}': 'answer' is not a regular expression that judge.match regex understands "
         "(ECMAScript without back references): {}",
         prompt.prompt_id,
         error.what());
  }
}

}  // namespace thoughtrank
