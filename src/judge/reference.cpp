#include "thoughtrank/judge/reference.h"

#include <algorithm>
#include <array>
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
  constexpr std::ptrdiff_t kMostGroups = 200;  // the compiler calls itself for each that is open
  if (std::ranges::count(pattern, '(') > kMostGroups) {
    throw std::regex_error(std::regex_constants::error_stack);
  }
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

namespace {

constexpr std::string_view kMinusSign = "\u2212";

// Digits with single '.' or ',' between digits; a '.' may stand in front. Returns the end, `from`
// where there is no number.
size_t end_of_number(const std::string& text, size_t from) {
  const auto digit_at = [&](size_t at) { return at < text.size() && is_digit(text[at]); };
  size_t end = from;
  if (end < text.size() && text[end] == '.' && digit_at(end + 1)) ++end;
  if (!digit_at(end)) return from;
  while (digit_at(end) || (end < text.size() && (text[end] == '.' || text[end] == ',') &&
                           is_digit(text[end - 1]) && digit_at(end + 1))) {
    ++end;
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    const bool has_sign = end + 1 < text.size() && (text[end + 1] == '-' || text[end + 1] == '+');
    size_t power = end + (has_sign ? 2 : 1);
    if (digit_at(power)) {
      while (digit_at(power)) ++power;
      end = power;
    }
  }
  return end;
}

// Whether the text up to `end` ends with a minus that is a sign: not "5-3".
bool has_minus_before(const std::string& text, size_t end) {
  const std::string_view before = std::string_view(text).substr(0, end);
  size_t width = 0;
  if (before.ends_with('-')) width = 1;
  if (before.ends_with(kMinusSign)) width = kMinusSign.size();
  return width > 0 && (before.size() == width || !is_digit(before[before.size() - width - 1]));
}

}  // namespace

std::optional<double> last_number(const std::string& text) {
  std::optional<double> last;
  for (size_t at = 0; at < text.size();) {
    const size_t end = end_of_number(text, at);
    if (end == at) {
      ++at;
      continue;
    }
    const std::string digits = without_commas(text.substr(at, end - at));
    const double value = std::strtod(digits.c_str(), nullptr);
    last = has_minus_before(text, at) ? -value : value;
    at = end;
  }
  return last;
}

namespace {

bool is_word_byte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         static_cast<unsigned char>(c) >= 0x80 || c == '\'';
}

std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// The word after the spaces from `at` on, in lower case; "" where something else stands there.
std::string word_after(const std::string& text, size_t at) {
  const size_t from = text.find_first_not_of(' ', at);
  if (from == std::string::npos || from == at) return "";
  size_t end = from;
  while (end < text.size() && is_word_byte(text[end])) ++end;
  return lowered(std::string_view(text).substr(from, end - from));
}

// "a mammal", "I think", "3 apples": no label stands there, unless the words speak of one.
bool reads_on(const std::string& text, size_t at) {
  const char c = text[at];
  if (c != 'a' && c != 'A' && c != 'I' && !is_digit(c)) return false;
  constexpr std::array<std::string_view, 8> kOfALabel = {
      "because", "since", "as", "is", "and", "for", "due", "which"};
  const std::string word = word_after(text, at + 1);
  return !word.empty() && std::ranges::find(kOfALabel, word) == kOfALabel.end();
}

// The answer says before this place that a label comes.
bool is_announced(const std::string& text, size_t at) {
  constexpr size_t kLongest = 24;
  const size_t from = at < kLongest ? 0 : at - kLongest;
  std::string before = lowered(std::string_view(text).substr(from, at - from));
  while (!before.empty() &&
         std::string_view(" \n(*\"[{$:").find(before.back()) != std::string::npos) {
    before.pop_back();
  }
  return std::ranges::any_of(
      std::array{"answer is", "answer", "answer is option", "option is", "choice is", "\\boxed"},
      [&](const char* words) { return before.ends_with(words); });
}

// A label at the very beginning may be followed by words about it.
bool opens_the_answer(const std::string& text, size_t at) {
  const bool is_first =
      text.find_first_not_of(" \n(*\"[{$") == at || lowered(text.substr(0, at)) == "option ";
  const std::string word = word_after(text, at + 1);
  return is_first && (word == "is" || word == "because" || word == "since");
}

// A mark or the end of the text comes after it.
bool stands_alone(const std::string& text, size_t at) {
  const size_t next = text.find_first_not_of("*\" ", at + 1);
  return next == std::string::npos ||
         std::string_view(".,:;)]}$!\n").find(text[next]) != std::string_view::npos;
}

}  // namespace

std::optional<std::string> chosen_label(const std::string& text) {
  std::optional<std::string> alone;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool is_single = std::isalnum(static_cast<unsigned char>(text[at])) != 0 &&
                           (at + 1 == text.size() || !is_word_byte(text[at + 1])) &&
                           (at == 0 || !is_word_byte(text[at - 1]));
    if (!is_single) continue;
    if (is_announced(text, at) && !reads_on(text, at)) return std::string(1, text[at]);
    if (!alone && (stands_alone(text, at) || opens_the_answer(text, at))) {
      alone = std::string(1, text[at]);
    }
  }
  return alone;
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

void require_reference(const PromptRow& prompt, ReferenceMatch match, const std::string& where) {
  const std::string who =
      fmt::format("{}: prompt '{}', \"{}\",", where, prompt.prompt_id, shorten(prompt.prompt));
  if (trimmed(prompt.answer).empty()) {
    fail(ExitCode::kConfig,
         "{} has no 'answer' that answers could be compared with. Add one, or take a judge that "
         "needs none",
         who);
  }
  if (match == ReferenceMatch::numeric && !last_number(prompt.answer)) {
    fail(ExitCode::kBadData,
         "{} match numeric expects a number in 'answer', found '{}'",
         who,
         shorten(prompt.answer));
  }
  if (match == ReferenceMatch::choice && trimmed(prompt.answer).size() != 1) {
    fail(ExitCode::kBadData,
         "{} match choice expects the label of an option in 'answer', one letter or digit, found "
         "'{}'",
         who,
         shorten(prompt.answer));
  }
  if (match != ReferenceMatch::regex) return;
  try {
    (void)compiled(prompt.answer);
  } catch (const std::regex_error& error) {
    fail(ExitCode::kBadData,
         "{} 'answer' is not a regular expression that match regex understands (ECMAScript without "
         "back references): {}",
         who,
         error.what());
  }
}

}  // namespace thoughtrank
