// judge-test: planted answers before the configured judge.
#include <unistd.h>

#include "app/command.h"
#include "app/ranks.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/missing.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

namespace {

// A ledger that lives as long as the command: a run's own is neither read nor written.
class PassingLedger {
 public:
  PassingLedger()
      : path_(scratch_folder() / fmt::format("thoughtrank-judge-test-{}.jsonl", ::getpid())) {
    fs::remove(path_);
  }
  ~PassingLedger() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  PassingLedger(const PassingLedger&) = delete;
  PassingLedger& operator=(const PassingLedger&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string format_result(const Judge::TestResult& result) {
  std::string text = fmt::format("{}: {} rankings, {} abstained, {:.4f} USD\n\n",
                                 result.judge,
                                 result.calls,
                                 result.abstained,
                                 result.usd);
  if (!result.answers.empty()) {
    text += fmt::format("  {:<12} {:>10} {:>5}  {}\n", "answer", "mean place", "first", "verdict");
    for (const auto& answer : result.answers) {
      text += fmt::format("  {:<12} {:>10.2f} {:>5}  {}\n",
                          answer.name,
                          answer.mean_place,
                          answer.wins,
                          answer.verdict);
    }
    text += "\n";
  }
  for (const std::string& fault : result.faults) text += "  ! " + fault + "\n";
  if (result.faults.empty()) text += "  nothing here speaks against this judge\n";
  return text + "\n";
}

std::vector<Judge::TestResult> test_judges(App& app, const RunConfig& config) {
  std::vector<JudgeTask> tasks = self_test_tasks(config.judge);
  AnswerScorer scorer;
  ModelTexts texts;
  if (config.judge.first.kind == JudgeKind::likelihood) {
    texts = load_model_texts(config.model.path, config.chat_template);
    const ComputeSetup compute = resolve_compute(config);
    use_compute(compute);
    for (JudgeTask& task : tasks) task.prompt.token_ids = texts.prompt_ids(task.prompt);
    scorer = make_likelihood_scorer(texts, config.model.path, compute, app.stop);
  }
  const PassingLedger ledger;
  Judge judge({.options = without_patience(config.judge),
               .select = config.select,
               .seed = static_cast<uint64_t>(config.seed),
               .round = 0,
               .ledger = ledger.path(),
               .scorer = std::move(scorer),
               .clock = app.clock,
               .stop = app.stop});
  const int64_t showings =
      judge.is_pointwise() ? 1 : kSelfTestShowings * std::ssize(all_judges(config.judge));
  Progress progress({.stage = "judge-test",
                     .unit = "rankings",
                     .total = std::ssize(tasks) * showings,
                     .already_done = 0,
                     .rate_unit = "answers"},
                    app.clock);
  auto results = judge.test(tasks, progress);
  progress.finish();
  return results;
}

void judge_test_command(App& app, const NoOptions&) {
  require_one_rank();
  size_t faults = 0;
  for (const Judge::TestResult& result : test_judges(app, app.config())) {
    print(format_result(result));
    faults += result.faults.size();
  }
  if (faults > 0) {
    fail(ExitCode::kJudge, "the judge failed {} of the checks above; nothing was written", faults);
  }
}

}  // namespace

void add_judge_test_command(App& app) {
  add_command<NoOptions>(app,
                         "judge-test",
                         "ranks planted answers with the configured judge: is it worth its money?",
                         judge_test_command,
                         std::make_shared<NoOptions>());
}

}  // namespace thoughtrank
