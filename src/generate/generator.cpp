#include <set>
#include <utility>

#include "generate/branch_work.h"
#include "generate/token_bytes.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/generate/generate.h"

namespace thoughtrank {
namespace {

// Gives the group of one prompt after the other; those without work are passed over.
class PromptSource : public GroupSource {
 public:
  using MakeGroup = std::function<std::optional<BranchGroup>(size_t prompt_index)>;
  PromptSource(size_t prompts, MakeGroup make) : prompts_(prompts), make_(std::move(make)) {}

  std::optional<BranchGroup> next() override {
    while (next_ < prompts_) {
      const size_t index = next_++;
      std::optional<BranchGroup> group = make_(index);
      if (!group) continue;
      group->group = static_cast<int64_t>(index);
      return group;
    }
    return std::nullopt;
  }

 private:
  size_t prompts_;
  MakeGroup make_;
  size_t next_ = 0;
};

class RowSink : public BranchSink {
 public:
  using Take = std::function<void(FinishedBranch branch)>;
  RowSink(Take take, Progress& progress) : take_(std::move(take)), progress_(progress) {}

  void finished(FinishedBranch branch) override {
    take_(std::move(branch));
    progress_.advance(/*done=*/1, /*work=*/0);
  }
  void stepped(int64_t tokens) override { progress_.advance(/*done=*/0, /*work=*/tokens); }

 private:
  Take take_;
  Progress& progress_;
};

// Counts branches that broke, and says so once for each prompt and cause.
class BreakLog {
 public:
  void note(const std::string& prompt_id, const FinishedBranch& branch) {
    if (branch.cause == BreakCause::none) return;
    if (branch.cause == BreakCause::memory) ++for_memory_;
    if (!said_.emplace(prompt_id, branch.cause).second) return;
    log_warning("prompt '{}', branch {}: {} (said once for this prompt)",
                prompt_id,
                branch.branch,
                branch.error);
  }

  // What had no memory now may have it later: it is no result.
  void require_memory() const {
    if (for_memory_ == 0) return;
    fail(
        ExitCode::kInternal,
        "{} branches found no memory for their keys and values; all others are done and kept. Free "
        "memory, shorten the prompt or lower the budgets of tokens, then run again.",
        for_memory_);
  }

 private:
  std::set<std::pair<std::string, BreakCause>> said_;
  int64_t for_memory_ = 0;
};

}  // namespace

void BranchOptions::visit(FieldVisitor& v) {
  v.text("chars", chars, "characters a thought is forced to begin with, one branch each");
  v.integer("samples_per_char",
            samples_per_char,
            {1, kMostSamples},
            "branches of each character; more than one needs a generate.temperature");
  v.text("open", open, "the tag before the thought");
  v.text("close", close, "the tag after the thought");
  v.choice("mode",
           mode,
           kHeadModes,
           "how the character is forced: literal, the tag and it as one string; token, its own "
           "token; constrained, the model's best token that begins with it");
}

void GenerateOptions::visit(FieldVisitor& v) {
  v.integer("thought_tokens", thought_tokens, {0, 1 << 20}, "most tokens of a thought");
  v.integer("answer_tokens", answer_tokens, {1, 1 << 20}, "most tokens of an answer");
  v.boolean("loop_rule", loop_rule, "end a thought or answer that repeats itself 8 times");
  v.number("temperature",
           temperature,
           {0, 100},
           "of a branch's tokens; 0: the most probable one. Held-out answers are always greedy");
  v.number("top_p",
           top_p,
           {1e-6, 1},
           "draw from the fewest most probable tokens with so much probability together");
  v.auto_integer("slots", slots, {16, 1024}, "branches decoded at once, a multiple of 16");
}

struct Generator::Impl {
  Decoder& decoder;
  BranchWork work;

  using IsWanted = std::function<bool(size_t prompt_index, int64_t branch)>;
  using Take = std::function<void(size_t prompt_index, OutputRow row)>;

  void generate(const std::vector<PromptRow>& prompts,
                const HeadFamily& family,
                const IsWanted& is_wanted,
                const Take& take,
                const StopFlag& stop,
                Progress& progress) {
    PromptSource source(prompts.size(), [&](size_t index) {
      return work.make_group(
          prompts[index], family, [&](int64_t branch) { return is_wanted(index, branch); });
    });
    BreakLog breaks;
    RowSink sink(
        [&](const FinishedBranch& finished) {
          const auto index = static_cast<size_t>(finished.group);
          breaks.note(prompts[index].prompt_id, finished);
          if (finished.cause == BreakCause::memory) return;
          take(index, work.make_row(prompts[index], family, finished));
        },
        progress);
    decoder.run(source, sink, stop);
    breaks.require_memory();
  }
};

Generator::Generator(Decoder& decoder, Setup setup)
    : impl_(new Impl{decoder, {std::move(setup), decoder.config().vocab_size}}) {}

Generator::~Generator() = default;

int64_t Generator::branch_count() const { return std::ssize(impl_->work.branches().heads); }

void Generator::generate_branches(
    const std::vector<PromptRow>& prompts,
    const std::function<bool(size_t prompt_index, int64_t branch)>& is_done,
    const std::function<void(size_t prompt_index, OutputRow row)>& take,
    const StopFlag& stop,
    Progress& progress) {
  impl_->generate(
      prompts,
      impl_->work.branches(),
      [&](size_t index, int64_t branch) { return !is_done(index, branch); },
      take,
      stop,
      progress);
}

void Generator::generate_greedy(const std::vector<PromptRow>& prompts,
                                bool with_thought,
                                const std::function<bool(size_t prompt_index)>& is_done,
                                const std::function<void(size_t prompt_index, OutputRow row)>& take,
                                const StopFlag& stop,
                                Progress& progress) {
  impl_->generate(
      prompts,
      impl_->work.greedy(with_thought),
      [&](size_t index, int64_t) { return !is_done(index); },
      take,
      stop,
      progress);
}

int64_t branches_per_prompt(const BranchOptions& branches) {
  return std::ssize(expand_chars(branches.chars)) * branches.samples_per_char;
}

std::vector<VerifyGroup> verify_groups(const Generator::Setup& setup,
                                       int64_t vocab_size,
                                       const std::vector<PromptRow>& prompts) {
  const BranchWork work(setup, vocab_size);
  std::vector<VerifyGroup> groups;
  for (const PromptRow& prompt : prompts) {
    auto group = work.make_group(prompt, work.branches(), [](int64_t) { return true; });
    VerifyGroup made{.shared_ids = std::move(group->shared_ids), .heads = {}};
    for (BranchStart& start : group->branches) {
      made.heads.push_back({std::move(start.head_ids), std::move(start.first_of), start.sampling});
    }
    groups.push_back(std::move(made));
  }
  return groups;
}

std::string token_text(const Tokenizer& tokenizer, const std::vector<int64_t>& ids) {
  return to_valid_utf8(bytes_of(tokenizer, ids));
}

}  // namespace thoughtrank
