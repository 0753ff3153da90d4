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

namespace thoughtrank {
namespace {

constexpr int64_t kLeastCalls = 20;
constexpr int64_t kLeastAnswerTokens = 64;  // that a question must leave room for
constexpr int64_t kAnswersThatFit = 4;      // into one request, whichever they are

// One prompt's tournament and what it waits for.
struct Contest {
  size_t task = 0;
  const PromptRow* prompt = nullptr;
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

class Round {
 public:
  Round(const std::vector<JudgeTask>& tasks,
        const JudgeOptions& options,
        const StreamKey& key,
        int64_t fixed_tokens,
        std::vector<Juror> jurors,
        Progress& progress)
      : options_(options), jurors_(std::move(jurors)), progress_(progress) {
    by_task_.resize(tasks.size());
    for (size_t t = 0; t < tasks.size(); ++t) add_task(tasks[t], t, key, fixed_tokens);
    for (const Contest& contest : contests_) {
      scheme_calls_ +=
          scheme_cost(static_cast<int64_t>(contest.items.size()), scheme_of(options)).calls;
    }
    const int64_t most_calls = scheme_calls_ + 2 * audit_calls(scheme_calls_);
    for (const Juror& juror : jurors_) rules_.emplace_back(juror.max_abstained, most_calls);
  }

  void run_ahead() {
    is_ahead_ = true;
    rules_.assign(jurors_.size(), AbstentionRule(/*max_abstained=*/1, /*most_calls=*/0));
    for (Contest& contest : contests_) start(contest, contest.tournament->pass_a());
    while (take_verdicts()) {
    }
    progress_.advance(std::ssize(contests_), 0);
  }

  std::vector<std::vector<VerdictRow>> run() {
    for (size_t c = 0; c < contests_.size(); ++c) {
      const TournamentStage stage = contests_[c].tournament->pass_a();
      start(contests_[c], stage);
      audit(contests_[c], c, stage.groups);
    }
    or_ask_again(0, [this] {
      while (take_verdicts()) {
      }
      for (const AbstentionRule& rule : rules_) rule.check_at_end();
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
  // What abstained is forgotten by every juror's ledger where `work` ends for want of a judge.
  void or_ask_again(size_t juror, const std::function<void()>& work) {
    if (juror == jurors_.size()) return work();
    jurors_[juror].caller->or_ask_again([&] { or_ask_again(juror + 1, work); });
  }

  // False when nothing was pending any more.
  bool take_verdicts() {
    bool has_taken = false;
    for (size_t j = 0; j < jurors_.size(); ++j) {
      for (JudgedCall& call : jurors_[j].caller->wait()) {
        take(std::move(call), j);
        has_taken = true;
      }
    }
    return has_taken;
  }

  void add_task(const JudgeTask& task, size_t index, const StreamKey& key, int64_t fixed_tokens) {
    std::vector<Candidate> items = collect_candidates(task, options_.drop).items;
    const int64_t room = options_.max_input_tokens - fixed_tokens -
                         estimated_tokens(task.prompt.prompt) -
                         estimated_tokens(task.prompt.system);
    const int64_t most_tokens = room / kAnswersThatFit - kFenceTokens;
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
    std::vector<double> lengths;
    if (options_.length_control) lengths = standard_lengths(items);
    for (Candidate& item : items) {
      item.answer = cut_to_tokens(item.answer, most_tokens);
      tokens.push_back(estimated_tokens(item.answer) + kFenceTokens);
    }
    TournamentOptions scheme = scheme_of(options_);
    scheme.max_tokens = room;
    StreamKey own = key;
    own.prompt = stable_hash(task.prompt.prompt_id);
    by_task_[index] = contests_.size();
    contests_.push_back({.task = index,
                         .prompt = &task.prompt,
                         .items = std::move(items),
                         .room = room,
                         .tournament = std::make_unique<Tournament>(
                             std::move(tokens), scheme, own, std::move(lengths))});
  }

  // Every juror ranks every group, each in its own order and under its own labels.
  void start(Contest& contest, const TournamentStage& stage) {
    contest.pending = stage.groups.size() * jurors_.size();
    for (const Group& group : stage.groups) {
      for (const Juror& juror : jurors_) {
        RankCall call = call_of(contest, group, stage.name);
        call.number = contest.calls++;
        juror.caller->submit(std::move(call));
      }
    }
    if (contest.pending == 0) progress_.advance(1, 0);  // the tournament is over
  }

  static RankCall call_of(const Contest& contest, const Group& group, const std::string& stage) {
    RankCall call{.task = contest.task, .number = 0, .stage = stage};
    call.prompt = contest.prompt;
    for (const size_t item : group) {
      call.answers.push_back(contest.items[item].answer);
      call.branches.push_back(contest.items[item].branch);
    }
    return call;
  }

  // The round's audit calls that fall to this prompt: a set of pass A again, a set with planted
  // answers.
  void audit(Contest& contest, size_t index, const std::vector<Group>& groups) {
    const size_t prompts = contests_.size();
    const int64_t calls = audit_calls(scheme_calls_);
    std::vector<RankCall> extra;
    if (carries_audit(index, prompts, calls)) {
      extra.push_back(call_of(contest, groups.front(), "repeat"));
    }
    if (carries_audit(prompts - 1 - index, prompts, calls)) {
      extra.push_back(planted_call(call_of(contest, groups.back(), "planted"),
                                   static_cast<size_t>(options_.group_size),
                                   contest.room));
    }
    for (const RankCall& call : extra) {
      for (const Juror& juror : jurors_) {
        RankCall own = call;
        own.number = kFirstAuditCall + contest.audit_calls++;
        juror.caller->submit(std::move(own));
      }
    }
  }

  void take(JudgedCall call, size_t judge) {
    rules_[judge].count(call.verdict);
    progress_.advance(0, static_cast<int64_t>(call.verdict.labels.size()));
    Contest& contest = contests_[*by_task_[call.task]];
    const bool is_audit = call.verdict.call >= kFirstAuditCall;
    if (!call.verdict.abstained && !is_audit) {
      Ranking ranking;
      for (const int64_t branch : call.verdict.ranking) ranking.push_back(item_of(contest, branch));
      stage_rankings_[contest.task].push_back({call.verdict.call, judge, std::move(ranking)});
    }
    contest.verdicts.push_back(std::move(call.verdict));
    if (!is_audit && call.is_last && --contest.pending == 0) finish_stage(contest);
  }

  // Rankings enter the tournament in the order of their calls, so that sums of floating point
  // numbers do not depend on which reply came first.
  void finish_stage(Contest& contest) {
    std::vector<StageRanking>& rankings = stage_rankings_[contest.task];
    std::sort(rankings.begin(), rankings.end(), [](const auto& a, const auto& b) {
      return a.call < b.call;
    });
    for (StageRanking& r : rankings) contest.tournament->add(std::move(r.ranking), r.judge);
    rankings.clear();
    if (!contest.tournament->is_ready_for_finals()) {
      start(contest, contest.tournament->halve());
    } else if (scale_) {
      start(contest, contest.tournament->next_final(*scale_));
    } else {
      at_finals_.push_back(contest.task);
      start_finals_if_sigma_is_known();
    }
  }

  void start_finals_if_sigma_is_known() {
    if (is_ahead_) return;
    const size_t first = std::min(kSigmaPrompts, contests_.size());
    for (size_t i = 0; i < first; ++i) {
      const size_t task = contests_[i].task;
      if (std::find(at_finals_.begin(), at_finals_.end(), task) == at_finals_.end()) return;
    }
    std::vector<std::vector<RankingSet>> sets(jurors_.size());
    for (size_t j = 0; j < jurors_.size(); ++j) {
      for (size_t i = 0; i < first; ++i) sets[j].push_back(contests_[i].tournament->rankings_of(j));
    }
    scale_ = estimate_scale(sets);
    log_info("judge: sigma {:.2f} before the finals, from {} prompts", scale_->sigma, first);
    if (options_.length_control) {
      log_info("judge: length effects {:.2f} before the finals",
               fmt::join(scale_->length_effects, ", "));
    }
    for (const size_t task : std::exchange(at_finals_, {})) {
      Contest& contest = contests_[*by_task_[task]];
      start(contest, contest.tournament->next_final(*scale_));
    }
  }

  static size_t item_of(const Contest& contest, int64_t branch) {
    const auto at = std::find_if(contest.items.begin(),
                                 contest.items.end(),
                                 [&](const Candidate& c) { return c.branch == branch; });
    return static_cast<size_t>(at - contest.items.begin());
  }

  const JudgeOptions& options_;
  std::vector<Juror> jurors_;
  Progress& progress_;
  std::vector<AbstentionRule> rules_;           // by juror
  int64_t scheme_calls_ = 0;                    // of one juror, at most
  std::vector<Contest> contests_;               // in prompt order
  std::vector<std::optional<size_t>> by_task_;  // task -> contest
  std::map<size_t, std::vector<StageRanking>> stage_rankings_;
  std::optional<Scale> scale_;
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
                                                       std::vector<Juror> jurors,
                                                       Progress& progress) {
  return Round(tasks, options, key, fixed_tokens, std::move(jurors), progress).run();
}

void ask_ahead(const std::vector<JudgeTask>& tasks,
               const JudgeOptions& options,
               const StreamKey& key,
               int64_t fixed_tokens,
               std::vector<Juror> jurors,
               Progress& progress) {
  Round(tasks, options, key, fixed_tokens, std::move(jurors), progress).run_ahead();
}

}  // namespace thoughtrank
