#include "thoughtrank/data/cut_answers.h"

#include <spdlog/fmt/fmt.h>

namespace thoughtrank {

bool are_many_cut(int64_t cut, int64_t answers) {
  constexpr int64_t kFew = 1, kOneOf = 5;
  return cut > kFew && cut * kOneOf >= answers;
}

std::string heldout_cut_text(int64_t cut, int64_t answers, int64_t round) {
  if (!are_many_cut(cut, answers)) return "";
  return fmt::format(
      "{} of {} held-out answers of round {} were cut at generate.answer_tokens: their scores are "
      "those of unfinished answers. Raise it in a new run",
      cut,
      answers,
      round);
}

}  // namespace thoughtrank
