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

#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/journal.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/records.h"
#include "thoughtrank/judge/options.h"
#include "thoughtrank/llm/errors.h"

namespace thoughtrank {

// Scores answers by likelihood; the pipeline gives it, since judge itself knows no model. Each
// score is mean log p(answer | prompt) − ½ · mean log p(answer | bos).
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
    AnswerScorer scorer;  // needed by kind likelihood
    Clock& clock;
    const StopFlag& stop;
  };
  // Opens the ledger and reads the key. Throws Error(kConfig | kCredentials) for settings that
  // cannot work.
  explicit Judge(Setup setup);
  ~Judge();

  [[nodiscard]] bool is_pointwise() const;
  [[nodiscard]] std::string name() const;  // "openai:some-judge"

  // Ranks all prompts of a round; replies already in the ledger are not asked for again. The result
  // is in the order of `tasks` and does not depend on which call finished first. Error(kJudge) when
  // more than max_abstained of at least 20 calls abstained.
  [[nodiscard]] std::vector<JudgedPrompt> judge(const std::vector<JudgeTask>& tasks,
                                                Progress& progress);
  // Overlaps judging with generation: asks about prompts that are finished while others are not, as
  // far as the calls do not depend on those others, so that judge() finds the replies in the
  // ledger. Judges that give scores have nothing to ask.
  void overlap(const std::vector<JudgeTask>& tasks, Progress& progress);
  // Takes the replies of a batch file into the ledger and returns how many there were.
  [[nodiscard]] int64_t import_batch(const std::filesystem::path& file);
  // Allows calls in batch files whose results never came to be asked again and returns how many.
  // Without this they are Error(kConfig) for judge() and evaluate(), since they would be paid
  // twice.
  [[nodiscard]] int64_t discard_batch();
  [[nodiscard]] std::vector<EvalVerdict> evaluate(const std::vector<EvalTask>& tasks,
                                                  Progress& progress);

  // Sends one tiny request. Returns nothing when the judge answered, else the reason. For
  // `plan --probe`.
  [[nodiscard]] std::string probe();
  // Returns what this run has spent so far, over all rounds (ledger).
  [[nodiscard]] double spent_usd() const;

  // Shows each judge the planted answers of self_test_tasks() in several orders.
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
    std::string last_reason;             // why the last abstention
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

// Throws Error(kConfig | kBadData) for a prompt whose 'answer' kind reference cannot compare with:
// there is none, no number in it, or no regular expression. `where` names the prompts' file.
void require_reference(const PromptRow& prompt,
                       ReferenceMatch match,
                       const std::string& where = "the prompts");

// Returns easy questions; the branches of each are the planted answers, in the order of TestResult.
// For a likelihood judge the prompts still need their token_ids.
[[nodiscard]] std::vector<JudgeTask> self_test_tasks(const JudgeOptions& options);
inline constexpr int64_t kSelfTestShowings = 4;  // of each question, by ranking judges

// Returns what a round's verdicts say about its judge: audit.json. Pure; needs no call beside those
// of the round, which shows some sets twice and plants control answers in others.
[[nodiscard]] Json audit_round(const std::vector<JudgeTask>& tasks,
                               const std::vector<VerdictRow>& verdicts,
                               const std::vector<BestOutputRow>& best,
                               const JudgeOptions& options,
                               int64_t round);
// Throws Error(kJudge) naming the gate that the audit does not pass, or when sigma < 0.2 in a round
// of 16 ranked prompts or more: such a judge cannot tell the answers apart.
void check_gates(const Json& audit, const JudgeOptions& options);

// An Error(kJudge) about what the judge said, not about whether it answers.
class UntrustedJudge : public Error {
 public:
  explicit UntrustedJudge(const std::string& message) : Error(ExitCode::kJudge, message) {}
};

// Makes winners uncertain whose thought did less for their answer than select.min_lift asks, or was
// not measured. `thoughts` are the rows of the round's trained winners.
void require_lift(std::vector<BestOutputRow>& best,
                  const std::vector<ThoughtRow>& thoughts,
                  const SelectOptions& select);

// Returns what a round's branches and winners were like, and what stands out: summary.json. Pure.
[[nodiscard]] Json summarise_round(const std::vector<JudgeTask>& tasks,
                                   const std::vector<BestOutputRow>& best,
                                   const std::vector<ThoughtRow>& thoughts,
                                   const JudgeOptions& options,
                                   int64_t round);

// Selects the winners from verdict rows, which may have been paid for under another rule or other
// thresholds: no call, no generation. The rows are in the order of `tasks`.
[[nodiscard]] std::vector<BestOutputRow> select(const std::vector<JudgeTask>& tasks,
                                                const std::vector<VerdictRow>& verdicts,
                                                const JudgeOptions& judge,
                                                const SelectOptions& select,
                                                uint64_t seed,
                                                int64_t round);

}  // namespace thoughtrank
