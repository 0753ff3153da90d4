#include "report/summary_block.h"

#include "thoughtrank/core/error.h"

namespace thoughtrank {

namespace {

int64_t count(const Json& object, const char* key, const std::string& where) {
  return require_int(object, key, 0, INT64_MAX, where);
}

// "14 %", or "0 %" of nothing.
std::string percent(int64_t part, int64_t whole) {
  const double share = whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  return fmt::format("{:.0f} %", 100 * share);
}

std::string right_line(const Json& right, const std::string& where) {
  if (right.is_null()) return "";
  const int64_t found = count(right, "branches_right", where);
  const int64_t branches = count(right, "branches", where);
  return fmt::format("  right ({}): {} of {} branches ({}), at least one in {} of {} prompts\n",
                     require_string(right, "match", where),
                     found,
                     branches,
                     percent(found, branches),
                     count(right, "prompts_with_right", where),
                     count(right, "prompts", where));
}

std::string variety_line(const Json& summary, const std::string& where) {
  const Json& distinct = require(summary, "distinct_answers", where);
  if (distinct.is_null()) return "";
  std::string text =
      fmt::format("  distinct answers: {:.1f} a prompt", require_number(distinct, "mean", where));
  const Json& chars = require(summary, "winning_chars", where);
  if (!chars.is_null()) {
    text += fmt::format("; {} winners begin with {} characters, {:.1f} of at most {:.1f} bits",
                        count(chars, "winners", where),
                        count(chars, "distinct", where),
                        require_number(chars, "entropy_bits", where),
                        require_number(chars, "most_bits", where));
  }
  return text + "\n";
}

// "24 (p90 30)"
std::string lengths(const Json& summary, const char* key, const std::string& where) {
  const Json& values = require(summary, key, where);
  return fmt::format("{} (p90 {})", count(values, "median", where), count(values, "p90", where));
}

std::string length_line(const Json& summary, const std::string& where) {
  const int64_t branches = count(summary, "branches", where);
  if (branches == 0) return "";
  return fmt::format(
      "  median tokens: thought {}, answer {}; {} of the thoughts closed by the model, {} of the "
      "answers cut\n",
      lengths(summary, "thought_tokens", where),
      lengths(summary, "answer_tokens", where),
      percent(count(summary, "thoughts_closed", where), branches),
      percent(count(summary, "answers_cut", where), branches));
}

std::string lift_line(const Json& lift, const std::string& where) {
  if (lift.is_null()) return "";
  const Json& mean = require(lift, "mean", where);
  return fmt::format(
      "  lift: {} of {} winning answers are likelier with their thought than without, by {:+.2f} ± "
      "{:.2f} a token in the mean\n",
      count(lift, "positive", where),
      count(lift, "winners", where),
      require_number(mean, "mean", where),
      require_number(mean, "error", where));
}

}  // namespace

std::string format_summary(const Json& summary, const std::string& where) {
  std::string text = fmt::format("summary of round {}\n", count(summary, "round", where));
  text += right_line(require(summary, "right", where), where);
  text += variety_line(summary, where);
  text += length_line(summary, where);
  text += lift_line(require(summary, "lift", where), where);
  for (const Json& finding : require(summary, "findings", where)) {
    text += "  ! " + finding.get<std::string>() + "\n";
  }
  return text;
}

}  // namespace thoughtrank
