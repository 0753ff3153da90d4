#include "judge/rubric.h"

#include "judge/candidates.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {

const std::string& default_rubric() {
  static const std::string kRubric =
      "You compare answers to one question and rank them from best to worst.\n"
      "\n"
      "What counts, in this order:\n"
      "1. Correctness: facts, reasoning and results are right. A confident wrong answer is worse "
      "than an honest partial one.\n"
      "2. It does what was asked: it answers this question, in the form, language and length that "
      "the question asks for.\n"
      "3. Completeness: nothing important is missing.\n"
      "4. Clarity: easy to follow, no repetition, no filler, no empty announcements.\n"
      "\n"
      "Length is no merit in itself; neither is a confident or flattering tone. Some answers were "
      "cut off at a length limit and may end in the middle of a sentence: judge what is there, and "
      "prefer a finished answer to an unfinished one of the same quality. The order and the labels "
      "of the answers are random and mean nothing.";
  return kRubric;
}

std::string read_rubric(const std::string& path) {
  constexpr uint64_t kLongestRubric = 1 << 18;
  if (path.empty()) return default_rubric();
  const std::string text = read_file(path, kLongestRubric);
  if (!is_valid_utf8(text) || trimmed(text).empty()) {
    fail(ExitCode::kConfig, "{}: expected judging instructions in UTF-8", path);
  }
  return std::string(trimmed(text));
}

}  // namespace thoughtrank
