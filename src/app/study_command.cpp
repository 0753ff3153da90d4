// study.
#include <algorithm>

#include "app/command.h"
#include "app/ranks.h"
#include "thoughtrank/pipeline/study.h"
#include "thoughtrank/report/study.h"

namespace thoughtrank {

namespace {

struct StudyCommandOptions {
  bool only_prints = false;
  std::optional<int64_t> seed;
  std::vector<std::string> added;
};

void study_command(App& app, const StudyCommandOptions& options) {
  require_one_rank();
  if (app.source.file.empty()) {
    fail(ExitCode::kUsage,
         "study: --config FILE is needed: the study's own file, which names the "
         "config that its runs share");
  }
  Study study = load_study(app.source);
  for (StudyRun& run : study.runs) run.config = app.limited(std::move(run.config));
  if (options.seed && *options.seed > study.design.seeds.back()) {
    fail(ExitCode::kUsage,
         "study: --seed {}: the study's seeds are 1 to {} (key seeds)",
         *options.seed,
         study.design.seeds.back());
  }
  for (const std::string& folder : options.added) add_study_results(study, folder);
  if (!options.added.empty()) publish_study_results(study);
  const std::vector<const StudyRun*> runs = runs_to_do(study, options.seed);
  double most_usd = 0;
  for (const StudyRun* run : runs) most_usd += run->config.judge.max_usd;
  StudyOutcome outcome;
  if (!options.only_prints) {
    if (most_usd > 0) {
      log_info("the judges of {} runs may cost up to {:.2f} USD together (judge.max_usd of each)",
               runs.size(),
               most_usd);
    }
    outcome = run_study(study, options.seed, app.clock, app.stop, [&] {
      publish_study_report(study.folder, read_study(study.folder));
    });
    if (!outcome.has_worked) log_info("all {} runs were finished already", runs.size());
  }
  print(format_study(read_study(study.folder)));
  print(fmt::format("\nin {}: study.md, study.json, a chart of each task (TASK.svg)\n",
                    study.folder.string()));
  if (outcome.ended_early == 0) return;
  fail(ExitCode::kTrainingHealth,
       "{} of {} runs ended before their last round; the sentences above say why",
       outcome.ended_early,
       std::count_if(study.runs.begin(), study.runs.end(), [&](const StudyRun& run) {
         return run.seed == options.seed.value_or(run.seed);
       }));
}

}  // namespace

void add_study_command(App& app) {
  const auto options = std::make_shared<StudyCommandOptions>();
  CLI::App* study = add_command<StudyCommandOptions>(
      app,
      "study",
      "runs that differ in one thing each, with seeds, intervals and a verdict",
      study_command,
      options);
  CLI::Option* seed = study->add_option(
      "--seed", options->seed, "work on this seed alone: another machine has others");
  seed->check(CLI::PositiveNumber);
  study
      ->add_option(
          "--add", options->added, "take over what another machine measured: its study_dir")
      ->allow_extra_args(false);
  study->add_flag("--print", options->only_prints, "only print what has been measured so far")
      ->excludes(seed);
}

}  // namespace thoughtrank
