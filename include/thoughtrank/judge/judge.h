// Ranks the answers of each prompt without ever seeing a thought. Ranking judges (openai,
// anthropic, command) order small groups of answers, a Plackett–Luce posterior is fitted over all
// their rankings; pointwise judges (likelihood, reference) give each answer a score. A failed
// judgement is an abstention, never a rank. Every reply is in the ledger (a Journal) before it is
// used, so nothing is paid twice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/config/fields.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/journal.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/records.h"

namespace thoughtrank {

struct DropOptions {
  bool truncated = false;
  bool loop = true;
  bool echo = true;
  bool bare = true;
  void visit(FieldVisitor& v);
};

struct JudgeOptions {
  // openai | anthropic | likelihood | reference | command | replay
  std::string kind = "likelihood";
  std::string base_url;
  std::string model;
  std::string api_key_env;
  std::string api_key_file;
  std::string rubric;                // path; "" = built in
  std::vector<std::string> command;  // kind command: program and arguments
  std::string match = "exact";       // kind reference: exact | numeric | regex
  double max_usd = 0;                // 0: nothing may be spent (local judges cost nothing)
  Json price;                        // {input_per_million, output_per_million} or null
  int64_t concurrency = 16;
  int64_t group_size = 8;
  int64_t finals = 5;
  bool length_control = false;
  int64_t max_input_tokens = 24000;
  int64_t max_output_tokens = 2048;
  double timeout_s = 600;
  double patience_s = 600;  // with a judge that is down
  bool allow_http = false;
  std::string ca_file;
  std::string proxy;
  Json extra_body;
  DropOptions drop;
  double max_abstained = 0.05;
  // Gates on the round's audit; 1 = off.
  double max_flip_rate = 1;
  double max_position_bias = 1;
  double max_length_correlation = 1;
  double max_planted_errors = 1;
  // Further ranking judges: each has its own connection; scheme, drop rules, cap and gates are
  // those of the first.
  std::vector<JudgeOptions> others;
  void visit(FieldVisitor& v) { visit_as(v, /*is_first=*/true); }
  void visit_as(FieldVisitor& v, bool is_first);  // another judge lacks what all have in common

 private:
  void visit_audit(FieldVisitor& v);
};
// The first judge and the others, each with its own connection and the first one's rules.
[[nodiscard]] std::vector<JudgeOptions> all_judges(const JudgeOptions& options);

// Takes the judges' keys out of this process's environment, where whoever may look at the process
// could read them. The judges find them later; a key that is not there is their error, not this
// function's.
void hide_judge_keys(const JudgeOptions& options);

struct SelectOptions {
  int64_t winners_per_prompt = 1;
  double max_regret = 0.25;
  double min_confidence = 0.6;
  std::optional<double> min_score;
  void visit(FieldVisitor& v);
};

// Pointwise likelihood, given by the pipeline (judge itself knows no model): for each answer
// mean log p(answer | prompt) − ½ · mean log p(answer | bos).
using AnswerScorer = std::function<std::vector<double>(const PromptRow& prompt,
                                                       const std::vector<std::string>& answers)>;

struct JudgedPrompt {
  BestOutputRow best;
  std::vector<VerdictRow> verdicts;
};

// One prompt's work: the question and its finished branches.
struct JudgeTask {
  PromptRow prompt;
  std::vector<OutputRow> outputs;
};

// A held-out answer to be compared with the anchor (ranking judges) or scored (pointwise).
struct EvalTask {
  PromptRow prompt;
  std::string answer;
  std::string anchor;  // the round-0 answer
};

struct EvalVerdict {
  std::optional<double> score;
  std::optional<double> win;  // mean over both orders; nullopt when all calls abstained
  std::vector<VerdictRow> verdicts;
};

// kJudge that no waiting mends: a certificate that is not trusted.
class UntrustedServer : public Error {
 public:
  explicit UntrustedServer(const std::string& message) : Error(ExitCode::kJudge, message) {}
};

// What judge() and evaluate() throw in batch mode when calls are left: they stand in the file.
struct BatchWritten {
  int64_t calls = 0;
  int64_t exported_before = 0;  // of them, without a result so far
};

class Judge {
 public:
  struct Setup {
    JudgeOptions options;
    SelectOptions select;
    uint64_t seed = 0;
    int64_t round = 0;
    std::filesystem::path ledger;  // journal file of this run's judge calls
    // Calls are written to this file instead of being sent; BatchWritten says so.
    std::filesystem::path batch_export = {};
    AnswerScorer scorer;  // kind likelihood
    Clock& clock;
    const StopFlag& stop;
  };
  // Opens the ledger; reads the key. Error(kConfig | kCredentials) for settings that cannot work.
  explicit Judge(Setup setup);
  ~Judge();

  [[nodiscard]] bool is_pointwise() const;
  [[nodiscard]] std::string name() const;  // "openai:some-judge"

  // Ranks all prompts of a round; replies already in the ledger are not asked for again. The result
  // is in the order of `tasks` and does not depend on which call finished first. Error(kJudge) when
  // more than max_abstained of at least 20 calls abstained.
  [[nodiscard]] std::vector<JudgedPrompt> judge(const std::vector<JudgeTask>& tasks,
                                                Progress& progress);
  // Asks about these prompts what does not depend on the others, so that judge() finds the replies
  // in the ledger; for prompts that are finished while others are not. Ranking judges only.
  void judge_ahead(const std::vector<JudgeTask>& tasks, Progress& progress);
  // Takes the replies of a batch file into the ledger; how many there were.
  [[nodiscard]] int64_t import_batch(const std::filesystem::path& file);
  // Calls in batch files whose results never came may be asked again from now on; how many. Without
  // this they are Error(kConfig) for judge() and evaluate(), since they would be paid twice.
  [[nodiscard]] int64_t discard_batch();
  [[nodiscard]] std::vector<EvalVerdict> evaluate(const std::vector<EvalTask>& tasks,
                                                  Progress& progress);

  // One tiny request: empty when the judge answered, else the reason. For `plan --probe` and
  // `doctor`.
  [[nodiscard]] std::string probe();
  // Spent so far by this run, over all rounds (ledger).
  [[nodiscard]] double spent_usd() const;

  // judge-test: shows each judge the planted answers of self_test_tasks() in several orders.
  struct PlantedAnswer {
    std::string name;       // good | same again | padded | constant | injected
    double mean_place = 0;  // 1 = best
    int64_t wins = 0;
    std::string verdict;  // "ok", or what is wrong
  };
  struct TestResult {
    std::string judge;
    int64_t calls = 0;
    int64_t abstained = 0;
    std::string last_reason;             // of an abstention
    std::vector<PlantedAnswer> answers;  // empty: every call abstained
    std::vector<std::string> faults;     // sentences; empty: nothing speaks against this judge
    double usd = 0;
  };
  [[nodiscard]] std::vector<TestResult> test(const std::vector<JudgeTask>& tasks,
                                             Progress& progress);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Easy questions; the branches of each are the planted answers, in the order of TestResult. For a
// likelihood judge the prompts still need their token_ids.
[[nodiscard]] std::vector<JudgeTask> self_test_tasks(const JudgeOptions& options);
inline constexpr int64_t kSelfTestShowings = 4;  // of each question, by ranking judges

// What a call of the ranking scheme costs at most, for `plan`.
struct JudgeEstimate {
  int64_t calls = 0;
  int64_t answer_reads = 0;
  double usd_expected = 0;
  double usd_worst = 0;
};
[[nodiscard]] JudgeEstimate estimate_judging(const JudgeOptions& options,
                                             int64_t prompts,
                                             int64_t branches,
                                             double answer_tokens);

// What a round's verdicts say about its judge: audit.json. Pure; needs no call beside those of the
// round, which shows some sets twice and plants control answers in others.
[[nodiscard]] Json audit_round(const std::vector<JudgeTask>& tasks,
                               const std::vector<VerdictRow>& verdicts,
                               const std::vector<BestOutputRow>& best,
                               const JudgeOptions& options,
                               int64_t round);
// Error(kJudge) naming the gate that the audit does not pass, or when sigma < 0.2 in a round of 16
// ranked prompts or more: such a judge cannot tell the answers apart.
void check_gates(const Json& audit, const JudgeOptions& options);

// Winners anew from verdict rows already paid for (other rule, other thresholds): no call, no
// generation.
[[nodiscard]] std::vector<BestOutputRow> select_winners(const std::vector<JudgeTask>& tasks,
                                                        const std::vector<VerdictRow>& verdicts,
                                                        const JudgeOptions& judge,
                                                        const SelectOptions& select,
                                                        uint64_t seed,
                                                        int64_t round);

}  // namespace thoughtrank
