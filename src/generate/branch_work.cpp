#include "generate/branch_work.h"

#include <memory>
#include <utility>

#include "generate/token_bytes.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

ThoughtPlan make_plan(const Generator::Setup& setup) {
  return {.tokenizer = setup.tokenizer,
          .close = setup.branches.close,
          .close_ids = encode_exactly(setup.tokenizer, setup.branches.close, "branches.close"),
          .eos_ids = setup.eos_ids,
          .thought_tokens = setup.generate.thought_tokens,
          .answer_tokens = setup.generate.answer_tokens,
          .loop_rule = setup.generate.loop_rule};
}

// The prompt's ids and the head's, cut where the branch's own ids begin.
struct Sequence {
  TokenIds shared;
  TokenIds own;
};
Sequence cut_sequence(const PromptRow& prompt, const Head& head, int64_t shared_head) {
  TokenIds ids = prompt.token_ids;
  ids.insert(ids.end(), head.ids.begin(), head.ids.end());
  const auto cut = std::ssize(prompt.token_ids) + shared_head;
  if (cut < 1) {
    fail(ExitCode::kBadData,
         "prompt {} has {} token ids, expected at least {}. Was it encoded by the template?",
         prompt.prompt_id,
         prompt.token_ids.size(),
         1 - shared_head);
  }
  return {.shared = TokenIds(ids.begin(), ids.begin() + cut),
          .own = TokenIds(ids.begin() + cut, ids.end())};
}

// How the thought and the answer of a finished branch ended. A branch that broke while thinking was
// cut short from outside, as by the budget.
void set_ends(OutputRow& row, const ThoughtResult& result, bool has_thought, bool is_broken) {
  row.thought_end = result.thought_end;
  if (has_thought && row.thought_end == ThoughtEnd::none) row.thought_end = ThoughtEnd::cap;
  if (!is_broken && !result.finish) {
    fail(ExitCode::kInternal,
         "branch {} of prompt {} was given back before its rule stopped it",
         row.branch,
         row.prompt_id);
  }
  row.finish = is_broken ? Finish::error : *result.finish;
}

}  // namespace

BranchWork::BranchWork(Generator::Setup setup, int64_t vocab_size)
    : setup_(std::move(setup)),
      branches_(branch_heads(setup_.tokenizer,
                             setup_.branches,
                             {.vocab_size = vocab_size, .eos_ids = setup_.eos_ids})),
      open_(open_head(setup_.tokenizer, setup_.branches)),
      direct_(no_head()),
      plan_(make_plan(setup_)) {}

// Its random numbers follow from the seed, the round, the prompt and the branch.
Sampling BranchWork::sampling_of(const PromptRow& prompt, int64_t branch) const {
  return {.temperature = setup_.generate.temperature,
          .top_p = setup_.generate.top_p,
          .stream = stable_hash(
              fmt::format("{} {} {} {}", setup_.seed, setup_.round, branch, prompt.prompt_id))};
}

BranchStart BranchWork::make_start(const PromptRow& prompt,
                                   int64_t branch,
                                   const HeadFamily& family,
                                   TokenIds head_ids) const {
  const Head& head = family.heads[static_cast<size_t>(branch)];
  const bool takes_first = !head.first_of.empty();
  const int64_t head_tokens = std::ssize(head_ids) + (takes_first ? 1 : 0);
  return {.branch = branch,
          .head_ids = std::move(head_ids),
          .first_of = head.first_of,
          .max_tokens = head_tokens + plan_.most_tokens(),
          .rule = std::make_unique<ThoughtRule>(plan_,
                                                ThoughtStart{.has_thought = family.has_thought,
                                                             .thought = head.thought,
                                                             .takes_first = takes_first}),
          .sampling = &family == &branches_ ? sampling_of(prompt, branch) : Sampling{}};
}

std::optional<BranchGroup> BranchWork::make_group(
    const PromptRow& prompt,
    const HeadFamily& family,
    const std::function<bool(int64_t branch)>& is_wanted) const {
  BranchGroup group;
  for (int64_t branch = 0; branch < std::ssize(family.heads); ++branch) {
    if (!is_wanted(branch)) continue;
    const Head& head = family.heads[static_cast<size_t>(branch)];
    Sequence sequence = cut_sequence(prompt, head, family.shared);
    group.shared_ids = std::move(sequence.shared);
    group.branches.push_back(make_start(prompt, branch, family, std::move(sequence.own)));
  }
  if (group.branches.empty()) return std::nullopt;
  return group;
}

OutputRow BranchWork::make_row(const PromptRow& prompt,
                               const HeadFamily& family,
                               const FinishedBranch& finished) const {
  const Head& head = family.heads[static_cast<size_t>(finished.branch)];
  const auto& result = static_cast<const ThoughtRule&>(*finished.rule).result();
  TokenIds ids = cut_sequence(prompt, head, family.shared).shared;
  ids.insert(ids.end(), finished.token_ids.begin(), finished.token_ids.end());
  ids.erase(ids.begin(), ids.begin() + std::ssize(prompt.token_ids));

  OutputRow row;
  row.prompt_id = prompt.prompt_id;
  row.round = setup_.round;
  row.branch = &family == &branches_ ? finished.branch : -1;
  row.char_ = head.character;
  row.thought = to_valid_utf8(result.thought);
  row.answer = to_valid_utf8(result.answer);
  row.head_len = std::ssize(head.ids) + result.head_tokens;
  row.answer_start = std::ssize(ids) - result.answer_tokens;
  row.answer_offset = result.answer_offset;
  row.token_ids = std::move(ids);
  set_ends(row, result, family.has_thought, !finished.error.empty());
  row.thought_logprob = result.thought_logprob;
  row.answer_logprob = result.answer_logprob;
  if (result.answer_tokens > 0)
    row.answer_margin = result.margin_sum / static_cast<double>(result.answer_tokens);
  row.model_sha256 = setup_.model_sha256;
  return row;
}

}  // namespace thoughtrank
