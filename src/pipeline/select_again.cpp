#include "thoughtrank/pipeline/select_again.h"

#include "pipeline/select_rows.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {

Json select_again(const RunConfig& config, int64_t round, const fs::path& target) {
  const RunFolder folder{config.run_dir};
  const fs::path inside =
      fs::weakly_canonical(target).lexically_relative(fs::weakly_canonical(folder.root()));
  if ((!inside.empty() && *inside.begin() != "..") ||
      fs::exists(target / file_name(RoundFile::best_outputs))) {
    fail(ExitCode::kConfig,
         "{} lies in the run folder or holds a selection already: choose a new folder with --out "
         "DIR",
         target.string());
  }
  const auto tasks = read_judge_tasks(folder, round);
  const auto verdicts = read_rows<VerdictRow>(folder.file(round, RoundFile::verdicts));
  const auto seed = static_cast<uint64_t>(config.seed);
  const auto best = select(tasks, verdicts, config.judge, config.select, seed, round);
  fs::create_directories(target);
  return publish_selected_rows(target, tasks, best, config);
}

}  // namespace thoughtrank
