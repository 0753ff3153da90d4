#include "judge/ranking_round.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "judge/audit_plan.h"
#include "judge/candidates.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/llm/tokens.h"

namespace thoughtrank {
namespace {

constexpr int64_t kLeastCalls = 20;
constexpr int64_t kLeastAnswerTokens = 64;  // that a question must leave room for

// One prompt's tournament and what it waits for.
struct PromptTournament {
  size_t task = 0;
  const PromptRow* row = nullptr;
  std::vector<Candidate> items;  // answers cut to what a request can hold
  int64_t room = 0;              // tokens of a request's answers
  std::unique_ptr<Tournament> tournament;
  int64_t calls = 0;
  int64_t audit_calls = 0;
  size_t pending = 0;  // calls of the running stage
  std::vector<VerdictRow> verdicts = {};
};

// A ranking that waits for its stage to end.
struct StageRanking {
  int64_t call = 0;
  size_t judge = 0;
  Ranking ranking;
};

class RankingRound {
 public:
  RankingRound(const std::vector<JudgeTask>& tasks,
               const JudgeOptions& options,
               const StreamKey& key,
               int64_t fixed_tokens,
               std::vector<RoundJudge> judges,
               Progress& progress)
      : options_(options), judges_(std::move(judges)), progress_(progress) {
    by_task_.resize(tasks.size());
    for (size_t t = 0; t < tasks.size(); ++t) add_task(tasks[t], t, key, fixed_tokens);
    for (const PromptTournament& prompt : tournaments_) {
      scheme_calls_ +=
          scheme_cost(static_cast<int64_t>(prompt.items.size()), scheme_of(options.scheme)).calls;
    }
    const int64_t most_calls = scheme_calls_ + 2 * audit_calls(scheme_calls_);
    for (const RoundJudge& judge : judges_) rules_.emplace_back(judge.max_abstained, most_calls);
  }

  void overlap() {
    is_overlapping_ = true;
    rules_.assign(judges_.size(), AbstentionRule(/*max_abstained=*/1, /*most_calls=*/0));
    for (PromptTournament& prompt : tournaments_) start(prompt, prompt.tournament->pass_a());
    while (take_verdicts()) {
    }
    progress_.advance(std::ssize(tournaments_), 0);
  }

  std::vector<std::vector<VerdictRow>> run() {
    for (size_t c = 0; c < tournaments_.size(); ++c) {
      const TournamentStage stage = tournaments_[c].tournament->pass_a();
      start(tournaments_[c], stage);
      audit(tournaments_[c], c, stage.groups);
    }
    or_ask_again(0, [this] {
      while (take_verdicts()) {
      }
      for (const AbstentionRule& rule : rules_) rule.check_at_end();
    });
    std::vector<std::vector<VerdictRow>> rows(by_task_.size());
    for (PromptTournament& prompt : tournaments_) {
      std::sort(prompt.verdicts.begin(), prompt.verdicts.end(), [](const auto& a, const auto& b) {
        return a.call < b.call;
      });
      rows[prompt.task] = std::move(prompt.verdicts);
    }
    return rows;
  }

 private:
  // What abstained is forgotten by every judge's ledger where `work` ends for want of a judge.
  void or_ask_again(size_t judge, const std::function<void()>& work) {
    if (judge == judges_.size()) return work();
    judges_[judge].caller->or_ask_again([&] { or_ask_again(judge + 1, work); });
  }

  // False when nothing was pending any more.
  bool take_verdicts() {
    bool has_taken = false;
    for (size_t j = 0; j < judges_.size(); ++j) {
      for (JudgedCall& call : judges_[j].caller->wait()) {
        take(std::move(call), j);
        has_taken = true;
      }
    }
    return has_taken;
  }

  void add_task(const JudgeTask& task, size_t index, const StreamKey& key, int64_t fixed_tokens) {
    std::vector<Candidate> items = collect_candidates(task, options_.drop).items;
    const int64_t room = options_.scheme.max_input_tokens - fixed_tokens -
                         estimated_tokens(task.prompt.prompt) -
                         estimated_tokens(task.prompt.system);
    const int64_t most_tokens = room / kAnswersThatFit - kFenceTokens;
    if (items.size() >= 2 && most_tokens < kLeastAnswerTokens) {
      log_warning("judge: the question of prompt '{}' is too long for judge.max_input_tokens {}",
                  task.prompt.prompt_id,
                  options_.scheme.max_input_tokens);
    }
    if (items.size() < 2 || most_tokens < kLeastAnswerTokens) {
      progress_.advance(1, 0);
      return;
    }
    std::vector<int64_t> tokens;
    std::vector<double> lengths;
    if (options_.scheme.length_control) lengths = standard_lengths(items);
    for (Candidate& item : items) {
      item.answer = cut_to_tokens(item.answer, most_tokens);
      tokens.push_back(estimated_tokens(item.answer) + kFenceTokens);
    }
    TournamentOptions scheme = scheme_of(options_.scheme);
    scheme.max_tokens = room;
    StreamKey own = key;
    own.prompt = stable_hash(task.prompt.prompt_id);
    by_task_[index] = tournaments_.size();
    tournaments_.push_back({.task = index,
                            .row = &task.prompt,
                            .items = std::move(items),
                            .room = room,
                            .tournament = std::make_unique<Tournament>(
                                std::move(tokens), scheme, own, std::move(lengths))});
  }

  // Every judge ranks every group, each in its own order and under its own labels.
  void start(PromptTournament& prompt, const TournamentStage& stage) {
    prompt.pending = stage.groups.size() * judges_.size();
    for (const Group& group : stage.groups) {
      for (const RoundJudge& judge : judges_) {
        RankCall call = call_of(prompt, group, verdict_stage(stage.step));
        call.number = prompt.calls++;
        judge.caller->submit(std::move(call));
      }
    }
    if (prompt.pending == 0) progress_.advance(1, 0);  // the tournament is over
  }

  static RankCall call_of(const PromptTournament& prompt, const Group& group, VerdictStage stage) {
    RankCall call{.task = prompt.task, .number = 0, .stage = stage};
    call.prompt = prompt.row;
    for (const size_t item : group) {
      call.answers.push_back(prompt.items[item].answer);
      call.branches.push_back(prompt.items[item].branch);
    }
    return call;
  }

  // The round's audit calls that fall to this prompt: a set of pass A again, a set with planted
  // answers.
  void audit(PromptTournament& prompt, size_t index, const std::vector<Group>& groups) {
    const size_t prompts = tournaments_.size();
    const int64_t calls = audit_calls(scheme_calls_);
    std::vector<RankCall> extra;
    if (carries_audit(index, prompts, calls)) {
      extra.push_back(call_of(prompt, groups.front(), VerdictStage::repeat));
    }
    if (carries_audit(prompts - 1 - index, prompts, calls)) {
      extra.push_back(planted_call(call_of(prompt, groups.back(), VerdictStage::planted),
                                   static_cast<size_t>(options_.scheme.group_size),
                                   prompt.room));
    }
    for (const RankCall& call : extra) {
      for (const RoundJudge& judge : judges_) {
        RankCall own = call;
        own.number = kFirstAuditCall + prompt.audit_calls++;
        judge.caller->submit(std::move(own));
      }
    }
  }

  void take(JudgedCall call, size_t judge) {
    rules_[judge].count(call.verdict);
    progress_.advance(0, static_cast<int64_t>(call.verdict.labels.size()));
    PromptTournament& prompt = tournaments_[*by_task_[call.task]];
    const bool is_audit = call.verdict.call >= kFirstAuditCall;
    if (!call.verdict.abstained && !is_audit) {
      Ranking ranking;
      for (const int64_t branch : call.verdict.ranking) ranking.push_back(item_of(prompt, branch));
      stage_rankings_[prompt.task].push_back({call.verdict.call, judge, std::move(ranking)});
    }
    prompt.verdicts.push_back(std::move(call.verdict));
    if (!is_audit && call.is_last && --prompt.pending == 0) finish_stage(prompt);
  }

  // Rankings enter the tournament in the order of their calls, so that sums of floating point
  // numbers do not depend on which reply came first.
  void finish_stage(PromptTournament& prompt) {
    std::vector<StageRanking>& rankings = stage_rankings_[prompt.task];
    std::sort(rankings.begin(), rankings.end(), [](const auto& a, const auto& b) {
      return a.call < b.call;
    });
    for (StageRanking& r : rankings) prompt.tournament->add(std::move(r.ranking), r.judge);
    rankings.clear();
    if (!prompt.tournament->is_ready_for_finals()) {
      start(prompt, prompt.tournament->halve());
    } else if (scales_) {
      start(prompt, prompt.tournament->next_final(*scales_));
    } else {
      at_finals_.push_back(prompt.task);
      start_finals_if_sigma_is_known();
    }
  }

  void start_finals_if_sigma_is_known() {
    if (is_overlapping_) return;
    const size_t first = std::min(kSigmaPrompts, tournaments_.size());
    for (size_t i = 0; i < first; ++i) {
      const size_t task = tournaments_[i].task;
      if (std::find(at_finals_.begin(), at_finals_.end(), task) == at_finals_.end()) return;
    }
    std::vector<std::vector<RankingSet>> sets(judges_.size());
    for (size_t j = 0; j < judges_.size(); ++j) {
      for (size_t i = 0; i < first; ++i)
        sets[j].push_back(tournaments_[i].tournament->rankings_of(j));
    }
    scales_ = estimate_judge_scales(sets);
    log_info("judge: sigma {:.2f} before the finals, from {} prompts", scales_->sigma, first);
    if (options_.scheme.length_control) {
      log_info("judge: length effects {:.2f} before the finals",
               fmt::join(scales_->length_effects, ", "));
    }
    for (const size_t task : std::exchange(at_finals_, {})) {
      PromptTournament& prompt = tournaments_[*by_task_[task]];
      start(prompt, prompt.tournament->next_final(*scales_));
    }
  }

  static size_t item_of(const PromptTournament& prompt, int64_t branch) {
    const auto at = std::find_if(prompt.items.begin(), prompt.items.end(), [&](const Candidate& c) {
      return c.branch == branch;
    });
    return static_cast<size_t>(at - prompt.items.begin());
  }

  const JudgeOptions& options_;
  std::vector<RoundJudge> judges_;
  Progress& progress_;
  std::vector<AbstentionRule> rules_;           // rule of each judge
  int64_t scheme_calls_ = 0;                    // most calls of one judge
  std::vector<PromptTournament> tournaments_;   // in prompt order
  std::vector<std::optional<size_t>> by_task_;  // task -> tournament
  std::map<size_t, std::vector<StageRanking>> stage_rankings_;
  std::optional<JudgeScales> scales_;
  bool is_overlapping_ = false;
  std::vector<size_t> at_finals_;  // tasks that wait for σ
};

}  // namespace

TournamentOptions scheme_of(const SchemeOptions& options) {
  return {.group_size = static_cast<size_t>(options.group_size), .finals = options.finals};
}

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
                                                       std::vector<RoundJudge> judges,
                                                       Progress& progress) {
  return RankingRound(tasks, options, key, fixed_tokens, std::move(judges), progress).run();
}

void overlap_ranking_round(const std::vector<JudgeTask>& tasks,
                           const JudgeOptions& options,
                           const StreamKey& key,
                           int64_t fixed_tokens,
                           std::vector<RoundJudge> judges,
                           Progress& progress) {
  RankingRound(tasks, options, key, fixed_tokens, std::move(judges), progress).overlap();
}

}  // namespace thoughtrank
