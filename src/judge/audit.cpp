// The audit of a round: what the verdicts say about the judges that gave them.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "judge/cut_answers.h"
#include "judge/judge_reliability.h"
#include "judge/phrases.h"
#include "judge/ranking_round.h"
#include "judge/select.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

// From here on a finding is worth a sentence.
constexpr double kMuchPosition = 0.2;
constexpr double kMuchLength = 0.5;
constexpr double kLittleTau = 0.2;
constexpr double kManyPlantedErrors = 0.25;
constexpr double kManyMalformed = 0.05;
constexpr double kCommonPhrase = 0.3;
constexpr int64_t kFewRepeats = 10;
constexpr size_t kFewWinners = 20;
constexpr size_t kFewItems = 5;  // for a correlation over one prompt's answers

Json to_json(const std::string& name,
             const JudgeScale* scale,
             const JudgeReliability& reliability) {
  const Json sigma = scale == nullptr ? Json() : Json(scale->sigma);
  return {{"judge", name},
          {"calls", reliability.calls},
          {"sigma", sigma},
          {"flip_rate", reliability.repeats.flips.to_json()},
          {"kendall_tau", reliability.repeats.tau.to_json()},
          {"position", reliability.position.to_json()},
          {"planted_errors", reliability.planted_errors.to_json()},
          {"planted_wins", reliability.planted_wins.to_json()},
          {"duplicate_gap", reliability.duplicate_gap.to_json()},
          {"abstained", reliability.share(reliability.abstained)},
          {"malformed", reliability.share(reliability.malformed)},
          {"attempts", reliability.attempts},
          {"input_tokens", reliability.input_tokens},
          {"output_tokens", reliability.output_tokens},
          {"usd", reliability.usd}};
}

void add_findings(const std::string& name, const JudgeReliability& reliability, Json& findings) {
  const Mean& position = reliability.position;
  if (std::abs(position.value()) > kMuchPosition && position.is_clear()) {
    findings.push_back(
        fmt::format("{} prefers answers that are shown {}: place shown and place "
                    "given correlate by {:.2f}",
                    name,
                    position.value() > 0 ? "early" : "late",
                    position.value()));
  }
  if (reliability.repeats.tau.count() >= kFewRepeats &&
      reliability.repeats.tau.value() < kLittleTau) {
    findings.push_back(
        fmt::format("{} contradicts itself: {} sets shown twice agree by a Kendall's "
                    "tau of {:.2f}",
                    name,
                    reliability.repeats.tau.count(),
                    reliability.repeats.tau.value()));
  }
  if (reliability.planted_errors.count() >= kFewRepeats &&
      reliability.planted_errors.value() > kManyPlantedErrors) {
    findings.push_back(
        fmt::format("{} put planted nonsense into the better half of {:.0f} % of "
                    "its {} sets",
                    name,
                    100 * reliability.planted_errors.value(),
                    reliability.planted_errors.count()));
  }
  if (reliability.share(reliability.malformed) > kManyMalformed) {
    findings.push_back(fmt::format("{} gave no ranking in {:.0f} % of its replies",
                                   name,
                                   100 * reliability.share(reliability.malformed)));
  }
}

// The judged answers of the round beside what became of them.
struct Outcomes {
  Mean length_correlation;  // Spearman of length and utility within a prompt
  Mean length_gap;          // characters of the winner minus the median candidate's
  std::vector<std::string> winners;
  std::vector<std::string> answers;
};

Outcomes outcomes_of(const std::vector<JudgeTask>& tasks,
                     const std::vector<BestOutputRow>& best,
                     const DropOptions& drop) {
  Outcomes outcomes;
  for (size_t t = 0; t < tasks.size(); ++t) {
    std::map<int64_t, std::string> answers;
    for (const Candidate& item : collect_candidates(tasks[t], drop).items) {
      outcomes.answers.push_back(item.answer);
      for (const int64_t branch : item.branches) answers[branch] = item.answer;
    }
    std::vector<double> lengths, utilities;
    for (const RankedItem& item : best[t].items) {
      lengths.push_back(length_of(answers[item.branch]));
      utilities.push_back(item.utility);
    }
    if (lengths.size() >= kFewItems) outcomes.length_correlation.add(spearman(lengths, utilities));
    if (best[t].status != SelectionStatus::trained) continue;
    outcomes.winners.push_back(answers[best[t].winner]);
    outcomes.length_gap.add(lengths[0] - median(lengths));
  }
  return outcomes;
}

Json phrases_json(const Outcomes& outcomes, Json& findings) {
  constexpr size_t kShown = 3;
  Json list = Json::array();
  for (const Phrase& phrase : common_phrases(outcomes.winners, outcomes.answers, kShown)) {
    list.push_back(
        {{"phrase", phrase.words}, {"winners", phrase.winners}, {"answers", phrase.answers}});
    if (outcomes.winners.size() < kFewWinners || phrase.winners <= kCommonPhrase) continue;
    findings.push_back(
        fmt::format("\"{}\" stands in {:.0f} % of the winners and in {:.0f} % of "
                    "all answers",
                    phrase.words,
                    100 * phrase.winners,
                    100 * phrase.answers));
  }
  return list;
}

// Empty when a judge tells the answers apart, or when too few prompts were ranked to know; judges
// that give scores have no sigma, and where a control chose the winners nobody was asked.
std::string cannot_tell(const Json& judges, int64_t ranked) {
  if (judges.empty()) return {};
  double sigma = 0;
  for (const Json& judge : judges) {
    if (judge["sigma"].is_null()) return {};
    sigma = std::max(sigma, judge["sigma"].get<double>());
  }
  if (ranked < static_cast<int64_t>(kSigmaPrompts) || sigma >= kUselessSigma) return {};
  return fmt::format(
      "this judge cannot tell these answers apart: sigma is {:.2f} over {} prompts, expected at "
      "least {}",
      sigma,
      ranked,
      kUselessSigma);
}

// By name; nothing for judges that give scores.
std::map<std::string, JudgeScale> scales_of(const std::vector<JudgeTask>& tasks,
                                            const std::vector<VerdictRow>& verdicts,
                                            const JudgeOptions& options) {
  if (gives_scores(options.first.kind)) return {};
  RowsByPrompt rows = rows_by_prompt(verdicts);
  std::vector<std::vector<const VerdictRow*>> by_task;
  by_task.reserve(tasks.size());
  for (const JudgeTask& task : tasks) by_task.push_back(rows[task.prompt.prompt_id]);
  return scale_by_judge(candidates_of(tasks, options), by_task);
}

}  // namespace

Json audit_round(const std::vector<JudgeTask>& tasks,
                 const std::vector<VerdictRow>& verdicts,
                 const std::vector<BestOutputRow>& best,
                 const JudgeOptions& options,
                 int64_t round) {
  std::map<std::string, std::vector<const VerdictRow*>> by_judge;
  for (const auto& [prompt, rows] : rows_by_prompt(verdicts)) {
    for (const VerdictRow* row : rows) by_judge[row->judge].push_back(row);
  }
  Json findings = Json::array(), judges = Json::array();
  const std::map<std::string, JudgeScale> scales = scales_of(tasks, verdicts, options);
  double usd = 0;
  int64_t calls = 0;
  for (const auto& [name, rows] : by_judge) {
    const JudgeReliability reliability = reliability_of(rows);
    const auto scale = scales.find(name);
    judges.push_back(to_json(name, scale == scales.end() ? nullptr : &scale->second, reliability));
    if (options.scheme.length_control) judges.back()["length_effect"] = scale->second.length_effect;
    add_findings(name, reliability, findings);
    calls += reliability.calls;
    usd += reliability.usd;
  }
  const Outcomes outcomes = outcomes_of(tasks, best, options.drop);
  const Mean& length = outcomes.length_correlation;
  if (std::abs(length.value()) > kMuchLength && length.is_clear()) {
    findings.push_back(fmt::format("{} answers rank higher: length and utility correlate by {:.2f}",
                                   length.value() > 0 ? "longer" : "shorter",
                                   length.value()));
  }
  const CutAnswers cut = count_cut_answers(tasks, best);
  if (std::string finding = cut_finding(cut); !finding.empty()) {
    findings.push_back(std::move(finding));
  }
  const Json phrases = phrases_json(outcomes, findings);
  const auto ranked = std::count_if(
      best.begin(), best.end(), [](const BestOutputRow& row) { return !row.items.empty(); });
  if (std::string useless = cannot_tell(judges, ranked); !useless.empty()) {
    findings.push_back(std::move(useless));
  }
  return {{"round", round},
          {"prompts", tasks.size()},
          {"ranked", ranked},
          {"calls", calls},
          {"usd", usd},
          {"judges", judges},
          {"agreement", agreement(by_judge)},
          {"length_correlation", length.to_json()},
          {"chosen_minus_median_length", outcomes.length_gap.to_json()},
          {"cut",
           {{"answers", cut.answers},
            {"of_answers", cut.of_answers},
            {"winners", cut.winners},
            {"of_winners", cut.of_winners}}},
          {"phrases", phrases},
          {"findings", findings}};
}

void check_gates(const Json& audit, const JudgeOptions& options) {
  const auto check = [](const char* gate, double most, const Json& mean, const std::string& who) {
    if (most >= 1 || mean.is_null()) return;
    const double found = std::abs(mean["mean"].get<double>());
    if (found <= most) return;
    throw UntrustedJudge(fmt::format(
        "the audit of {} found {:.3f} over {} samples, judge.{} allows {}. The verdicts are kept: "
        "look at audit.json, then take another judge or rubric in a new run, or raise the gate",
        who,
        found,
        mean["count"].get<int64_t>(),
        gate,
        most));
  };
  for (const Json& judge : audit["judges"]) {
    const auto name = judge["judge"].get<std::string>();
    check("max_flip_rate", options.gates.max_flip_rate, judge["flip_rate"], name);
    check("max_position_bias", options.gates.max_position_bias, judge["position"], name);
    check("max_planted_errors", options.gates.max_planted_errors, judge["planted_errors"], name);
  }
  check("max_length_correlation",
        options.gates.max_length_correlation,
        audit["length_correlation"],
        "the ranking");
  const std::string useless = cannot_tell(audit["judges"], audit["ranked"].get<int64_t>());
  if (useless.empty()) return;
  throw UntrustedJudge(fmt::format(
      "{}. The replies are kept: look at audit.json, then take a better judge or rubric", useless));
}

}  // namespace thoughtrank
