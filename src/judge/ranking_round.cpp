#include "judge/ranking_round.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "judge/candidates.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

constexpr int64_t kLeastCalls = 20;
constexpr int64_t kFenceTokens = 40;        // around one answer
constexpr int64_t kLeastAnswerTokens = 64;  // that a question must leave room for

// One prompt's tournament and what it waits for.
struct Contest {
  size_t task = 0;
  const PromptRow* prompt = nullptr;
  std::vector<Candidate> items;  // answers cut to what a request can hold
  std::unique_ptr<Tournament> tournament;
  int64_t calls = 0;
  size_t pending = 0;  // calls of the running stage
  std::vector<VerdictRow> verdicts = {};
};

class Round {
 public:
  Round(const std::vector<JudgeTask>& tasks,
        const JudgeOptions& options,
        const StreamKey& key,
        int64_t fixed_tokens,
        RankCaller& caller,
        Progress& progress)
      : options_(options), caller_(caller), progress_(progress), rule_(options.max_abstained, 0) {
    by_task_.resize(tasks.size());
    for (size_t t = 0; t < tasks.size(); ++t) add_task(tasks[t], t, key, fixed_tokens);
    int64_t most_calls = 0;
    for (const Contest& contest : contests_) {
      most_calls +=
          scheme_cost(
              static_cast<int64_t>(contest.items.size()), options.group_size, options.finals)
              .calls;
    }
    rule_ = AbstentionRule(options.max_abstained, most_calls);
  }

  void run_ahead() {
    is_ahead_ = true;
    rule_ = AbstentionRule(/*max_abstained=*/1, /*most_calls=*/0);
    for (Contest& contest : contests_) start(contest, contest.tournament->pass_a());
    for (auto done = caller_.wait(); !done.empty(); done = caller_.wait()) {
      for (JudgedCall& call : done) take(std::move(call));
    }
    progress_.advance(std::ssize(contests_), 0);
  }

  std::vector<std::vector<VerdictRow>> run() {
    for (Contest& contest : contests_) start(contest, contest.tournament->pass_a());
    caller_.or_ask_again([this] {
      for (auto done = caller_.wait(); !done.empty(); done = caller_.wait()) {
        for (JudgedCall& call : done) take(std::move(call));
      }
      rule_.check_at_end();
    });
    std::vector<std::vector<VerdictRow>> rows(by_task_.size());
    for (Contest& contest : contests_) {
      std::sort(contest.verdicts.begin(), contest.verdicts.end(), [](const auto& a, const auto& b) {
        return a.call < b.call;
      });
      rows[contest.task] = std::move(contest.verdicts);
    }
    return rows;
  }

 private:
  void add_task(const JudgeTask& task, size_t index, const StreamKey& key, int64_t fixed_tokens) {
    std::vector<Candidate> items = collect_candidates(task, options_.drop).items;
    const int64_t room = options_.max_input_tokens - fixed_tokens -
                         estimated_tokens(task.prompt.prompt) -
                         estimated_tokens(task.prompt.system);
    // Any four answers fit into one request.
    const int64_t most_tokens = room / static_cast<int64_t>(Tournament::kFinalists) - kFenceTokens;
    if (items.size() >= 2 && most_tokens < kLeastAnswerTokens) {
      log_warning("judge: the question of prompt '{}' is too long for judge.max_input_tokens {}",
                  task.prompt.prompt_id,
                  options_.max_input_tokens);
    }
    if (items.size() < 2 || most_tokens < kLeastAnswerTokens) {
      progress_.advance(1, 0);
      return;
    }
    std::vector<int64_t> tokens;
    for (Candidate& item : items) {
      item.answer = cut_to_tokens(item.answer, most_tokens);
      tokens.push_back(estimated_tokens(item.answer) + kFenceTokens);
    }
    const TournamentOptions scheme{.group_size = static_cast<size_t>(options_.group_size),
                                   .finals = options_.finals,
                                   .max_tokens = room};
    StreamKey own = key;
    own.prompt = stable_hash(task.prompt.prompt_id);
    by_task_[index] = contests_.size();
    contests_.push_back(
        {.task = index,
         .prompt = &task.prompt,
         .items = std::move(items),
         .tournament = std::make_unique<Tournament>(std::move(tokens), scheme, own)});
  }

  void start(Contest& contest, const TournamentStage& stage) {
    contest.pending = stage.groups.size();
    for (const Group& group : stage.groups) {
      RankCall call{.task = contest.task, .number = contest.calls++, .stage = stage.name};
      call.prompt = contest.prompt;
      for (const size_t item : group) {
        call.answers.push_back(contest.items[item].answer);
        call.branches.push_back(contest.items[item].branch);
      }
      caller_.submit(std::move(call));
    }
    if (contest.pending == 0) progress_.advance(1, 0);  // the tournament is over
  }

  void take(JudgedCall call) {
    rule_.count(call.verdict);
    progress_.advance(0, static_cast<int64_t>(call.verdict.labels.size()));
    Contest& contest = contests_[*by_task_[call.task]];
    if (!call.verdict.abstained) {
      Ranking ranking;
      for (const int64_t branch : call.verdict.ranking) ranking.push_back(item_of(contest, branch));
      stage_rankings(contest).emplace_back(call.verdict.call, std::move(ranking));
    }
    contest.verdicts.push_back(std::move(call.verdict));
    if (call.is_last && --contest.pending == 0) finish_stage(contest);
  }

  // Rankings enter the tournament in the order of their calls, so that sums of floating point
  // numbers do not depend on which reply came first.
  void finish_stage(Contest& contest) {
    auto& rankings = stage_rankings(contest);
    std::sort(rankings.begin(), rankings.end());
    for (auto& [number, ranking] : rankings) contest.tournament->add(std::move(ranking));
    rankings.clear();
    if (!contest.tournament->is_ready_for_finals()) {
      start(contest, contest.tournament->halve());
    } else if (sigma_) {
      start(contest, contest.tournament->next_final(*sigma_));
    } else {
      at_finals_.push_back(contest.task);
      start_finals_if_sigma_is_known();
    }
  }

  void start_finals_if_sigma_is_known() {
    if (is_ahead_) return;
    std::vector<RankingSet> first;
    for (size_t i = 0; i < std::min(kSigmaPrompts, contests_.size()); ++i) {
      const Contest& contest = contests_[i];
      if (std::find(at_finals_.begin(), at_finals_.end(), contest.task) == at_finals_.end()) return;
      first.push_back(contest.tournament->rankings());
    }
    sigma_ = estimate_sigma(first);
    log_info("judge: sigma {:.2f} before the finals, from {} prompts", *sigma_, first.size());
    for (const size_t task : std::exchange(at_finals_, {})) {
      Contest& contest = contests_[*by_task_[task]];
      start(contest, contest.tournament->next_final(*sigma_));
    }
  }

  static size_t item_of(const Contest& contest, int64_t branch) {
    const auto at = std::find_if(contest.items.begin(),
                                 contest.items.end(),
                                 [&](const Candidate& c) { return c.branch == branch; });
    return static_cast<size_t>(at - contest.items.begin());
  }

  std::vector<std::pair<int64_t, Ranking>>& stage_rankings(const Contest& contest) {
    return stage_rankings_[contest.task];
  }

  const JudgeOptions& options_;
  RankCaller& caller_;
  Progress& progress_;
  AbstentionRule rule_;
  std::vector<Contest> contests_;                                              // in prompt order
  std::vector<std::optional<size_t>> by_task_;                                 // task -> contest
  std::map<size_t, std::vector<std::pair<int64_t, Ranking>>> stage_rankings_;  // by call number
  std::optional<double> sigma_;
  bool is_ahead_ = false;
  std::vector<size_t> at_finals_;  // tasks that wait for σ
};

}  // namespace

void AbstentionRule::count(const VerdictRow& verdict) {
  ++calls_;
  if (!verdict.abstained) return;
  ++abstained_;
  last_reason_ = verdict.reason;
  const double most = max_abstained_ * static_cast<double>(std::max(most_calls_, calls_));
  if (calls_ >= kLeastCalls && static_cast<double>(abstained_) > most) fail_round();
}

void AbstentionRule::check_at_end() const {
  const bool is_over =
      static_cast<double>(abstained_) > max_abstained_ * static_cast<double>(calls_);
  if (calls_ > 0 && (abstained_ == calls_ || (calls_ >= kLeastCalls && is_over))) fail_round();
}

void AbstentionRule::fail_round() const {
  fail(ExitCode::kJudge,
       "{} of {} judge calls abstained, judge.max_abstained allows {:.1f} %. The last reason: {}. "
       "Replies so far are kept; run again when the judge works",
       abstained_,
       calls_,
       100 * max_abstained_,
       last_reason_);
}

std::vector<std::vector<VerdictRow>> run_ranking_round(const std::vector<JudgeTask>& tasks,
                                                       const JudgeOptions& options,
                                                       const StreamKey& key,
                                                       int64_t fixed_tokens,
                                                       RankCaller& caller,
                                                       Progress& progress) {
  return Round(tasks, options, key, fixed_tokens, caller, progress).run();
}

void ask_ahead(const std::vector<JudgeTask>& tasks,
               const JudgeOptions& options,
               const StreamKey& key,
               int64_t fixed_tokens,
               RankCaller& caller,
               Progress& progress) {
  Round(tasks, options, key, fixed_tokens, caller, progress).run_ahead();
}

}  // namespace thoughtrank
