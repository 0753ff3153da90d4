// study.
#include "app/command.h"
#include "app/ranks.h"
#include "thoughtrank/pipeline/study.h"
#include "thoughtrank/report/study.h"

namespace thoughtrank {

namespace {

struct StudyCommandOptions {
  bool only_prints = false;
};

void study_command(App& app, const StudyCommandOptions& options) {
  require_one_rank();
  if (app.source.file.empty()) {
    fail(ExitCode::kUsage,
         "study: --config FILE is needed: the study's own file, which names the "
         "config that its runs share");
  }
  const Study study = load_study(app.source);
  if (!options.only_prints) {
    const bool has_worked = run_study(study, app.clock, app.stop, [&] {
      publish_study_report(study.folder, read_study(study.folder));
    });
    if (!has_worked) log_info("all {} runs were finished already", study.runs.size());
  }
  print(format_study(read_study(study.folder)));
  print(fmt::format("\nin {}: study.md, study.json, a chart of each task (TASK.svg)\n",
                    study.folder.string()));
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
  study->add_flag("--print", options->only_prints, "only print what has been measured so far");
}

}  // namespace thoughtrank
