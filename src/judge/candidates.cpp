#include "judge/candidates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace thoughtrank {
namespace {

constexpr std::string_view kSpace = " \t\n\r\f\v";

bool is_ascii_alnum(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Blocks of punctuation, symbols, emoji and private use beyond ASCII; everything else counts as
// letters.
bool is_symbol(uint32_t code) {
  constexpr std::array<std::pair<uint32_t, uint32_t>, 16> kBlocks = {{{0x80, 0xA9},
                                                                      {0xAB, 0xB4},
                                                                      {0xB6, 0xB9},
                                                                      {0xBB, 0xBF},
                                                                      {0xD7, 0xD7},
                                                                      {0xF7, 0xF7},
                                                                      {0x2000, 0x2BFF},
                                                                      {0x2E00, 0x2E7F},
                                                                      {0x3000, 0x3004},
                                                                      {0x3008, 0x3020},
                                                                      {0xE000, 0xF8FF},
                                                                      {0xFE00, 0xFE6F},
                                                                      {0xFF00, 0xFF0F},
                                                                      {0xFF1A, 0xFF20},
                                                                      {0xFFE0, 0xFFFF},
                                                                      {0x1F000, 0x1FAFF}}};
  return std::any_of(kBlocks.begin(), kBlocks.end(), [&](const auto& block) {
    return code >= block.first && code <= block.second;
  });
}

// The code point at `at` of valid UTF-8, and the position after it.
std::pair<uint32_t, size_t> code_point(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const uint32_t first = byte(at);
  const size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (length == 1 || at + length > text.size()) return {first, at + 1};
  uint32_t code = first & (0xFF >> (length + 1));
  for (size_t i = 1; i < length; ++i) code = (code << 6) | (byte(at + i) & 0x3F);
  return {code, at + length};
}

bool has_letter_or_digit(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto [code, next] = code_point(text, at);
    if (code < 0x80 ? is_ascii_alnum(static_cast<unsigned char>(code)) : !is_symbol(code)) {
      return true;
    }
    at = next;
  }
  return false;
}

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// Nothing is left of the answer once every copy of the prompt is taken out.
bool is_echo(const std::string& answer, const std::string& prompt) {
  const std::string needle = lower_case(collapsed(prompt));
  std::string rest = lower_case(answer);
  if (needle.empty() || rest.find(needle) == std::string::npos) return false;
  for (size_t at = rest.find(needle); at != std::string::npos; at = rest.find(needle, at)) {
    rest.erase(at, needle.size());
  }
  return !has_letter_or_digit(rest);
}

bool ended_by_itself(const OutputRow& output) {
  return output.thought_end == ThoughtEnd::model && output.finish == Finish::eos;
}

std::vector<int64_t> branches_to_draw_from(const std::vector<const OutputRow*>& equal) {
  const bool any = std::any_of(
      equal.begin(), equal.end(), [](const OutputRow* row) { return ended_by_itself(*row); });
  std::vector<int64_t> branches;
  for (const OutputRow* row : equal) {
    if (!any || ended_by_itself(*row)) branches.push_back(row->branch);
  }
  return branches;
}

// Openers that judges are known to score highly with nothing behind them ("One token to fool
// LLM-as-a-judge", 2025).
bool is_bare_opener(const std::string& answer) {
  static constexpr std::array<std::string_view, 14> kOpeners = {
      "thought process",
      "solution",
      "answer",
      "the answer",
      "the answer is",
      "final answer",
      "let's think step by step",
      "let's solve this problem step by step",
      "let's solve this",
      "here is the answer",
      "here's the answer",
      "here is my answer",
      "sure",
      "response"};
  const std::string text = lower_case(answer);
  const size_t from = text.find_first_not_of("*#_`\"' ");
  const size_t to = text.find_last_not_of("*#_`\"' .:,;!-");
  if (from == std::string::npos || to == std::string::npos || to < from) return false;
  const std::string_view core = std::string_view(text).substr(from, to - from + 1);
  return std::find(kOpeners.begin(), kOpeners.end(), core) != kOpeners.end();
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

std::string collapsed(std::string_view text) {
  std::string out;
  for (const char c : trimmed(text)) {
    if (kSpace.find(c) == std::string_view::npos) {
      out += c;
    } else if (out.back() != ' ') {
      out += ' ';
    }
  }
  return out;
}

std::string drop_reason(const OutputRow& output,
                        const std::string& prompt,
                        const DropOptions& drop) {
  const std::string answer = collapsed(output.answer);
  if (output.finish == Finish::error) return "error";
  if (!has_letter_or_digit(answer)) return "empty";
  if (drop.truncated && output.finish == Finish::length) return "truncated";
  if (drop.loop && output.finish == Finish::loop) return "loop";
  if (drop.echo && is_echo(answer, prompt)) return "echo";
  if (drop.bare && is_bare_opener(answer)) return "bare";
  return {};
}

Candidates collect_candidates(const JudgeTask& task, const DropOptions& drop) {
  std::vector<const OutputRow*> outputs;
  for (const OutputRow& output : task.outputs) outputs.push_back(&output);
  std::sort(outputs.begin(), outputs.end(), [](const OutputRow* a, const OutputRow* b) {
    return a->branch < b->branch;
  });
  Candidates found;
  std::map<std::string, size_t> seen;                // collapsed answer -> index in items
  std::vector<std::vector<const OutputRow*>> equal;  // by item: the outputs with its answer
  for (const OutputRow* output : outputs) {
    const std::string reason = drop_reason(*output, task.prompt.prompt, drop);
    if (!reason.empty()) {
      ++found.dropped[reason];
      continue;
    }
    const auto [entry, is_new] = seen.emplace(collapsed(output->answer), found.items.size());
    if (is_new) {
      found.items.push_back(
          {.branch = output->branch, .answer = std::string(trimmed(output->answer))});
      equal.emplace_back();
    }
    equal[entry->second].push_back(output);
  }
  for (size_t i = 0; i < equal.size(); ++i) {
    found.items[i].multiplicity = std::ssize(equal[i]);
    found.items[i].branches = branches_to_draw_from(equal[i]);
  }
  return found;
}

double length_of(const std::string& text) {
  return static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::vector<double> standard_lengths(const std::vector<Candidate>& items) {
  std::vector<double> lengths;
  double sum = 0, squares = 0;
  for (const Candidate& item : items) {
    lengths.push_back(std::log(length_of(item.answer)));
    sum += lengths.back();
  }
  const double mean = sum / static_cast<double>(items.size());
  for (double& length : lengths) {
    length -= mean;
    squares += length * length;
  }
  const double deviation = std::sqrt(squares / static_cast<double>(items.size()));
  constexpr double kEquallyLong = 1e-9;
  for (double& length : lengths) length = deviation > kEquallyLong ? length / deviation : 0;
  return lengths;
}

std::string describe_dropped(const std::map<std::string, int64_t>& dropped) {
  std::string text;
  for (const auto& [reason, count] : dropped) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", reason, count);
  }
  return text;
}

}  // namespace thoughtrank
