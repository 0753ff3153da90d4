#include "bench/decode_timing.h"

#include <utility>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/decode/list_source.h"

namespace thoughtrank {
namespace {

// Stops after a number of tokens; an end of text is a token like any other.
class CountRule : public BranchRule {
 public:
  explicit CountRule(int64_t tokens) : left_(tokens) {}
  BranchStep on_token(const TokenChoice&) override {
    return {.kind = --left_ > 0 ? BranchStep::Kind::go_on : BranchStep::Kind::stop,
            .drops_token = false,
            .forced = {}};
  }

 private:
  int64_t left_;
};

// Counts, and notes when the first step was done.
class Stopwatch : public BranchSink {
 public:
  Stopwatch(const Clock& clock, Progress& progress)
      : clock_(clock), progress_(progress), started_s_(clock.now_s()) {}

  void finished(FinishedBranch branch) override {
    if (!branch.error.empty()) {
      fail(ExitCode::kBadData, "branch {} failed: {}", branch.branch, branch.error);
    }
    progress_.advance(1, 0);
  }

  void stepped(int64_t tokens) override {
    if (tokens > 0 && !first_step_s_) first_step_s_ = seconds();
    tokens_ += tokens;
    progress_.advance(0, tokens);
  }

  [[nodiscard]] double seconds() const { return clock_.now_s() - started_s_; }
  [[nodiscard]] double first_step_s() const { return first_step_s_.value_or(0); }
  [[nodiscard]] int64_t tokens() const { return tokens_; }

 private:
  const Clock& clock_;
  Progress& progress_;
  double started_s_;
  std::optional<double> first_step_s_;
  int64_t tokens_ = 0;
};

std::vector<int64_t> random_ids(RandomStream& random, int64_t count, int64_t vocabulary) {
  std::vector<int64_t> ids;
  for (int64_t n = 0; n < count; ++n) {
    ids.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(vocabulary))));
  }
  return ids;
}

BranchStart make_start(const DecodeWorkload& work, int64_t branch, std::vector<int64_t> head) {
  BranchStart start;
  start.branch = branch;
  start.head_ids = std::move(head);
  start.max_tokens = 1 + work.new_tokens;
  start.rule = std::make_unique<CountRule>(work.new_tokens);
  return start;
}

// The same ids at every call. One group, or where the prefix is copied one for each branch.
std::vector<BranchGroup> make_groups(const DecodeWorkload& work, int64_t vocabulary) {
  RandomStream random(/*seed=*/1, "bench decode");
  const std::vector<int64_t> prompt = random_ids(random, work.prompt_tokens, vocabulary);
  std::vector<BranchGroup> groups;
  for (int64_t branch = 0; branch < work.branches; ++branch) {
    if (groups.empty() || work.copies_prefix) {
      groups.push_back({.group = std::ssize(groups), .shared_ids = prompt, .branches = {}});
    }
    groups.back().branches.push_back(make_start(work, branch, random_ids(random, 1, vocabulary)));
  }
  return groups;
}

DecodeTiming time_groups(Decoder& decoder,
                         const DecodeWorkload& work,
                         const char* stage,
                         const Clock& clock,
                         const StopFlag& stop) {
  Progress progress({.stage = stage,
                     .unit = "branches",
                     .total = work.branches,
                     .already_done = 0,
                     .rate_unit = "tok"},
                    clock);
  ListSource source(make_groups(work, decoder.config().vocab_size));
  Stopwatch stopwatch(clock, progress);
  decoder.run(source, stopwatch, stop);
  const double wall_s = stopwatch.seconds();
  progress.finish();
  if (stopwatch.tokens() != work.branches * work.new_tokens) {
    fail(ExitCode::kInternal,
         "the decoder made {} tokens, {} branches of {} were asked for",
         stopwatch.tokens(),
         work.branches,
         work.new_tokens);
  }
  return {.prefill_s = stopwatch.first_step_s(), .decode_s = wall_s - stopwatch.first_step_s()};
}

}  // namespace

DecodeTiming time_decoding(Decoder& decoder,
                           const DecodeWorkload& work,
                           const Clock& clock,
                           const StopFlag& stop) {
  time_groups(decoder, work, "bench decode: warm-up", clock, stop);
  return time_groups(decoder, work, "bench decode", clock, stop);
}

}  // namespace thoughtrank
