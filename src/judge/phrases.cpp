#include "judge/phrases.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace thoughtrank {
namespace {

constexpr size_t kWords = 4;

// Lower case, split at everything that is no ASCII letter, digit or part of a longer character.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_upper = c >= 'A' && c <= 'Z';
    if (is_upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || byte >= 0x80) {
      words.back() += is_upper ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::set<std::string> phrases_of(const std::string& text) {
  const std::vector<std::string> words = words_of(text);
  std::set<std::string> phrases;
  for (size_t i = 0; i + kWords <= words.size(); ++i) {
    std::string phrase = words[i];
    for (size_t k = 1; k < kWords; ++k) phrase += " " + words[i + k];
    phrases.insert(std::move(phrase));
  }
  return phrases;
}

std::map<std::string, int64_t> count_phrases(const std::vector<std::string>& texts) {
  std::map<std::string, int64_t> counts;
  for (const std::string& text : texts) {
    for (const std::string& phrase : phrases_of(text)) ++counts[phrase];
  }
  return counts;
}

// "the answer is that" and "answer is that it": one formula, seen twice.
bool overlap(const std::string& a, const std::string& b) {
  const auto continues = [](const std::string& left, const std::string& right) {
    for (size_t at = left.find(' '); at != std::string::npos; at = left.find(' ', at + 1)) {
      if (right.starts_with(left.substr(at + 1) + " ")) return true;
    }
    return false;
  };
  return continues(a, b) || continues(b, a);
}

}  // namespace

std::vector<Phrase> common_phrases(const std::vector<std::string>& winners,
                                   const std::vector<std::string>& answers,
                                   size_t most) {
  const std::map<std::string, int64_t> counts = count_phrases(winners);
  std::vector<std::pair<std::string, int64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second > b.second;
  });
  std::vector<Phrase> phrases;
  for (const auto& entry : sorted) {
    const std::string& words = entry.first;
    const int64_t count = entry.second;
    if (phrases.size() == most || count < 2) break;
    const bool is_known = std::any_of(phrases.begin(), phrases.end(), [&](const Phrase& other) {
      return overlap(words, other.words);
    });
    if (is_known) continue;
    phrases.push_back({.words = words,
                       .winners = static_cast<double>(count) / static_cast<double>(winners.size()),
                       .answers = 0});
  }
  for (const std::string& answer : answers) {
    const std::set<std::string> held = phrases_of(answer);
    for (Phrase& phrase : phrases) {
      if (held.contains(phrase.words)) phrase.answers += 1 / static_cast<double>(answers.size());
    }
  }
  return phrases;
}

}  // namespace thoughtrank
