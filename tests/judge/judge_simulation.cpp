// Benchmark: regret, P(top-1), calls and reads of the ranking scheme and of other strategies with
// simulated judges, and whether the posterior says the truth about itself. Prints Markdown.
//
//     judge_simulation table [TRIALS [N]]     the strategies, with each judge or with the N-th
//     judge_simulation variations [TRIALS [N]]  other sizes of the scheme's parts, in brackets the
//                                             mean difference to ours over the same answers
//     judge_simulation judges [TRIALS]        a second judge beside the first
//     judge_simulation length [TRIALS]        judge.length_control with judges that like length
//     judge_simulation calibration [TRIALS]   predicted and true P(best) and regret; time of a fit
//     judge_simulation right [TRIALS]         answers that are right or wrong: what is trained on
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "judge/strategies.h"

namespace thoughtrank {
namespace {

struct NamedJudge {
  const char* name;
  JudgeCharacter character;
};

const std::vector<NamedJudge>& judges() {
  static const std::vector<NamedJudge> kJudges = {
      {"noise .25, position bias .4", {.temperature = 0.25}},
      {"noise .5, position bias .4", {.temperature = 0.5}},
      {"noise .5, no bias", {.temperature = 0.5, .position_bias = 0}},
      {"noise 1, position bias .4", {.temperature = 1}},
      {"noise .5, the first place is worth 2", {.temperature = 0.5, .position_bias = 2}},
      {"noise .5, length counts like quality", {.temperature = 0.5, .length_weight = 1}},
      {"noise .5, intransitive (cycle 1)", {.temperature = 0.5, .cycle = 1}}};
  return kJudges;
}

// A mean and its Monte-Carlo error (one standard error).
struct MonteCarlo {
  double sum = 0, squares = 0, count = 0;
  void add(double value) { sum += value, squares += value * value, ++count; }
  [[nodiscard]] double mean() const { return count > 0 ? sum / count : 0; }
  [[nodiscard]] double error() const {
    return count > 1 ? std::sqrt(std::max(0.0, squares / count - mean() * mean()) / (count - 1))
                     : 0;
  }
  [[nodiscard]] std::string text() const { return fmt::format("{:.3f} ± {:.3f}", mean(), error()); }
};

void print(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

// `beside`: the regret is also shown as the mean difference from that campaign's.
void print_row(const std::string& name,
               const TrialOptions& options,
               const Campaign& campaign,
               const Campaign* beside = nullptr) {
  MonteCarlo difference, regret, top, calls, reads;
  int most_calls = 0, most_reads = 0;
  for (uint64_t trial = 0; trial < options.trials; ++trial) {
    const SimulatedAnswers answers = answers_of_trial(options, trial);
    const Pick& pick = campaign.picks[trial];
    regret.add(answers.regret(pick.winner));
    if (beside != nullptr) {
      difference.add(answers.regret(pick.winner) - answers.regret(beside->picks[trial].winner));
    }
    top.add(pick.winner == answers.best() ? 1 : 0);
    calls.add(pick.calls);
    reads.add(pick.reads);
    most_calls = std::max(most_calls, pick.calls);
    most_reads = std::max(most_reads, pick.reads);
  }
  print(fmt::format("| {} | {}{} | {} | {:.1f} ({}) | {:.0f} ({}) |",
                    name,
                    regret.text(),
                    beside == nullptr ? "" : " (" + difference.text() + ")",
                    top.text(),
                    calls.mean(),
                    most_calls,
                    reads.mean(),
                    most_reads));
}

constexpr const char* kHeader =
    "| strategy | regret | P(top-1) | calls, mean (most) | reads, mean (most) "
    "|\n|---|---|---|---|---|";

void print_table(uint64_t trials, size_t only) {
  for (size_t j = 0; j < judges().size(); ++j) {
    if (only > 0 && j + 1 != only) continue;
    const NamedJudge& judge = judges()[j];
    const TrialOptions options{.trials = trials, .judge = judge.character};
    print(fmt::format("\n{}:\n\n{}", judge.name, kHeader));
    print_row("ours", options, run_ours(options, {}));
    for (const Strategy& strategy : other_strategies()) {
      print_row(strategy.name, options, run_other(options, strategy));
    }
  }
}

struct Variation {
  const char* name;
  TournamentOptions scheme;
};

void print_variations(uint64_t trials, size_t only) {
  const std::vector<Variation> variations = {
      {"ours", {}},
      {"finals until .01", {.good_regret = 0.01}},
      {"finals until .02", {.good_regret = 0.02}},
      {"finals until .04", {.good_regret = 0.04}},
      {"finals until .06", {.good_regret = 0.06}},
      {"5 finals", {.finals = 5}},
      {"8 finals", {.finals = 8}},
      {"20 finals", {.finals = 20}},
      {"finals of 3", {.finalists = 3}},
      {"finals of 6", {.finalists = 6}},
      {"keep .375, finals of 6 from 9 on", {.kept = 0.375, .finals_from = 9, .finalists = 6}},
      {"groups of 16", {.group_size = 16}}};
  for (const size_t j : {0u, 1u, 3u}) {
    if (only > 0 && j + 1 != only) continue;
    const TrialOptions options{.trials = trials, .judge = judges()[j].character};
    print(fmt::format("\n{}:\n\n{}", judges()[j].name, kHeader));
    const Campaign ours = run_ours(options, {});
    print_row(
        "keep 3 of 8, three finals", options, run_other(options, other_strategies()[0]), &ours);
    for (const Variation& variation : variations) {
      print_row(variation.name, options, run_ours(options, variation.scheme), &ours);
    }
  }
}

void print_judges(uint64_t trials) {
  const JudgeCharacter good;
  const JudgeCharacter poor{.temperature = 2};
  const JudgeCharacter coin{.position_bias = 0, .quality_weight = 0};
  print(fmt::format("\n{}", kHeader));
  print_row("one of noise .5", {.trials = trials}, run_ours({.trials = trials}, {}));
  const auto row = [&](const char* name, const JudgeCharacter& second, bool is_pooled) {
    const TrialOptions options{
        .trials = trials, .judge = good, .second = second, .is_pooled = is_pooled};
    print_row(name, options, run_ours(options, {}));
  };
  row("two of noise .5", good, false);
  row("noise .5 and noise 2", poor, false);
  row("the same, all rankings alike", poor, true);
  row("noise .5 and a coin", coin, false);
  row("the same, all rankings alike", coin, true);
}

void print_length(uint64_t trials) {
  print(
      "\n| worth of a deviation of length | length control | regret | winner's length, deviations "
      "|\n|---|---|---|---|");
  for (const double weight : {0.0, 0.5, 1.0, 2.0}) {
    for (const bool has_control : {false, true}) {
      const TrialOptions options{.trials = trials,
                                 .judge = {.temperature = 0.5, .length_weight = weight},
                                 .has_length_control = has_control};
      const Campaign campaign = run_ours(options, {});
      MonteCarlo regret, length;
      for (uint64_t trial = 0; trial < trials; ++trial) {
        const SimulatedAnswers answers = answers_of_trial(options, trial);
        regret.add(answers.regret(campaign.picks[trial].winner));
        length.add(answers.length[campaign.picks[trial].winner]);
      }
      print(fmt::format("| {} | {} | {} | {} |",
                        weight,
                        has_control ? "on" : "off",
                        regret.text(),
                        length.text()));
    }
  }
}

void print_calibration(uint64_t trials) {
  constexpr size_t kBins = 5;
  for (const size_t j : {0u, 1u, 3u, 5u, 6u}) {
    const TrialOptions options{.trials = trials, .judge = judges()[j].character};
    const Campaign campaign = run_ours(options, {});
    std::array<MonteCarlo, kBins> predicted, hit;
    MonteCarlo expected, real, lead, trained;
    for (uint64_t trial = 0; trial < trials; ++trial) {
      const SimulatedAnswers answers = answers_of_trial(options, trial);
      const Pick& pick = campaign.picks[trial];
      const auto bin = std::min(kBins - 1, static_cast<size_t>(pick.p_best * kBins));
      predicted[bin].add(pick.p_best);
      hit[bin].add(pick.winner == answers.best() ? 1 : 0);
      expected.add(pick.regret);
      real.add(answers.regret(pick.winner));
      lead.add(answers.lead());
      trained.add(pick.is_trained ? 1 : 0);
    }
    print(
        fmt::format("\n{}: sigma {:.2f}; regret of the best answer's lead {} expected, {:.3f} "
                    "real; trained on {:.0f} "
                    "%\n",
                    judges()[j].name,
                    campaign.sigma,
                    expected.text(),
                    real.mean() / lead.mean(),
                    100 * trained.mean()));
    print("| predicted P(best) | prompts | mean prediction | hit rate |\n|---|---|---|---|");
    for (size_t bin = 0; bin < kBins; ++bin) {
      print(fmt::format("| {:.1f} to {:.1f} | {} | {:.3f} | {} |",
                        bin / double{kBins},
                        (bin + 1) / double{kBins},
                        predicted[bin].count,
                        predicted[bin].mean(),
                        hit[bin].text()));
    }
  }
}

// What is trained on where answers are right or wrong, so that several are equally good.
void print_right(uint64_t trials) {
  print(
      "\n| share of right answers | pairs that the judge errs in | sigma | prompts with a right "
      "answer | right winners | trained on | of these right | calls "
      "|\n|---|---|---|---|---|---|---|---|");
  for (const double share_right : {0.05, 0.1, 0.3, 0.5}) {
    for (const double temperature : {0.41, 0.87}) {  // of lists of two
      const TrialOptions options{.answers = 50,
                                 .trials = trials,
                                 .judge = {.temperature = temperature, .position_bias = 0},
                                 .share_right = share_right};
      const Campaign campaign = run_ours(options, {});
      MonteCarlo possible, right, trained, trained_right, calls;
      for (uint64_t trial = 0; trial < trials; ++trial) {
        const SimulatedAnswers answers = answers_of_trial(options, trial);
        const Pick& pick = campaign.picks[trial];
        possible.add(answers.quality[answers.best()]);
        right.add(answers.quality[pick.winner]);
        trained.add(pick.is_trained ? 1 : 0);
        if (pick.is_trained) trained_right.add(answers.quality[pick.winner]);
        calls.add(pick.calls);
      }
      const auto percent = [](const MonteCarlo& share) {
        return fmt::format("{:.0f} %", 100 * share.mean());
      };
      print(fmt::format("| {:.0f} % | {:.0f} % | {:.2f} | {} | {} | {} | {} | {:.1f} |",
                        100 * share_right,
                        100 / (1 + std::exp(1 / temperature)),
                        campaign.sigma,
                        percent(possible),
                        percent(right),
                        percent(trained),
                        percent(trained_right),
                        calls.mean()));
    }
  }
}

void print_fit_time() {
  const TrialOptions options{.trials = 1};
  const SimulatedAnswers answers = answers_of_trial(options, 0);
  SimulatedJudge judge(answers, options.judge, RandomStream(0, "noise"));
  Tournament tournament(std::vector<int64_t>(options.answers, 1), {}, {});
  const auto ask = [&](const TournamentStage& stage) {
    for (const Group& group : stage.groups) tournament.add(judge.rank(group));
  };
  ask(tournament.pass_a());
  while (!tournament.is_ready_for_finals()) ask(tournament.halve());
  for (int n = 0; n < 4; ++n) ask(tournament.next_final({.sigma = 1.5}));
  std::vector<double> times_ms;
  for (int n = 0; n < 201; ++n) {
    const auto start = std::chrono::steady_clock::now();
    const Posterior posterior = fit(tournament.rankings(), 1.5);
    const std::chrono::duration<double, std::milli> passed =
        std::chrono::steady_clock::now() - start;
    if (posterior.mean.size() == options.answers) times_ms.push_back(passed.count());
  }
  std::sort(times_ms.begin(), times_ms.end());
  print(fmt::format(
      "\nA fit of {} items over {} rankings takes {:.2f} ms (median of {}; most {:.2f} ms).",
      options.answers,
      tournament.rankings().rankings.size(),
      times_ms[times_ms.size() / 2],
      times_ms.size(),
      times_ms.back()));
}

int simulate(const std::string& what, uint64_t trials, size_t only) {
  if (what == "table") {
    print_table(trials, only);
  } else if (what == "variations") {
    print_variations(trials, only);
  } else if (what == "judges") {
    print_judges(trials);
  } else if (what == "length") {
    print_length(trials);
  } else if (what == "right") {
    print_right(trials);
  } else if (what == "calibration") {
    print_calibration(trials);
    print_fit_time();
  } else {
    std::fputs("judge_simulation table|variations|judges|length|right|calibration [TRIALS]\n",
               stderr);
    return 64;
  }
  return 0;
}

}  // namespace
}  // namespace thoughtrank

int main(int count, char** words) {
  const uint64_t trials = count > 2 ? std::strtoull(words[2], nullptr, 10) : 2000;
  const size_t only = count > 3 ? std::strtoull(words[3], nullptr, 10) : 0;
  return thoughtrank::simulate(count > 1 ? words[1] : "", std::max<uint64_t>(trials, 64), only);
}
