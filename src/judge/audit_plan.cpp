#include "judge/audit_plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "thoughtrank/llm/tokens.h"

namespace thoughtrank {
namespace {

constexpr const char* kNonsense = "The quick brown fox jumps over the lazy dog.";

int64_t tokens_of(const RankCall& call) {
  return std::accumulate(
      call.answers.begin(), call.answers.end(), int64_t{0}, [](int64_t sum, const auto& answer) {
        return sum + estimated_tokens(answer) + kFenceTokens;
      });
}

// The answers by branch, so that the first is the one to duplicate.
void sort_by_branch(RankCall& call) {
  std::vector<std::pair<int64_t, std::string>> answers;
  for (size_t i = 0; i < call.answers.size(); ++i) {
    answers.emplace_back(call.branches[i], std::move(call.answers[i]));
  }
  std::sort(answers.begin(), answers.end());
  for (size_t i = 0; i < answers.size(); ++i) {
    call.branches[i] = answers[i].first;
    call.answers[i] = std::move(answers[i].second);
  }
}

}  // namespace

int64_t audit_calls(int64_t scheme_calls) {
  return static_cast<int64_t>(kAuditShare * static_cast<double>(scheme_calls));
}

bool carries_audit(size_t prompt, size_t prompts, int64_t calls) {
  const auto n = static_cast<size_t>(calls);
  return (prompt + 1) * n / prompts > prompt * n / prompts;
}

RankCall planted_call(RankCall call, size_t group_size, int64_t max_tokens) {
  constexpr size_t kPlanted = 2, kMostLabels = 26;
  const size_t most = std::clamp(group_size, kLeastPlanted, kMostLabels) - kPlanted;
  sort_by_branch(call);
  call.stage = VerdictStage::planted;
  call.answers.resize(std::min(call.answers.size(), most));
  call.branches.resize(call.answers.size());
  const int64_t planted_tokens =
      estimated_tokens(call.answers[0]) + estimated_tokens(kNonsense) + 2 * kFenceTokens;
  while (call.answers.size() > 2 && tokens_of(call) + planted_tokens > max_tokens) {
    call.answers.pop_back();
    call.branches.pop_back();
  }
  call.answers.push_back(call.answers[0]);
  call.branches.push_back(kPlantedDuplicate);
  call.answers.emplace_back(kNonsense);
  call.branches.push_back(kPlantedNonsense);
  return call;
}

}  // namespace thoughtrank
