#include "thoughtrank/pipeline/select_again.h"

#include <algorithm>

#include "pipeline/select_rows.h"
#include "pipeline/thought_lift.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/data/run_log.h"

namespace thoughtrank {

namespace {

// Each trained winner has a row of its own branch.
bool knows_all(const std::vector<ThoughtRow>& rows, const std::vector<Winner>& winners) {
  return std::all_of(winners.begin(), winners.end(), [&](const Winner& winner) {
    return std::any_of(rows.begin(), rows.end(), [&](const ThoughtRow& row) {
      return row.prompt_id == winner.output->prompt_id && row.branch == winner.output->branch;
    });
  });
}

// The weights that generated the round.
fs::path generating_model(const RunConfig& config, const RunFolder& folder, int64_t round) {
  if (round == 1) return config.model.path;
  const fs::path model = folder.checkpoint(round - 1);
  const bool is_purged = RunLog::read_only(folder.journal()).is_purged(round - 1);
  if (!is_purged && fs::exists(model)) return model;
  fail(ExitCode::kMissingInput,
       "select.min_lift: this rule has winners that {} does not know, and the weights to measure "
       "them with, {}, are gone",
       folder.file(round, RoundFile::thoughts).string(),
       model.string());
}

// The rows that the round has, or new ones where they are not enough for these winners.
std::vector<ThoughtRow> thoughts_of(const RunConfig& config,
                                    int64_t round,
                                    const std::vector<JudgeTask>& tasks,
                                    const std::vector<BestOutputRow>& best,
                                    Clock& clock,
                                    const StopFlag& stop) {
  const RunFolder folder{config.run_dir};
  const fs::path file = folder.file(round, RoundFile::thoughts);
  if (fs::exists(file)) {
    std::vector<ThoughtRow> rows = read_rows<ThoughtRow>(file);
    if (knows_all(rows, trained_winners(tasks, best))) return rows;
  }
  const fs::path model_folder = generating_model(config, folder, round);
  const ModelTexts texts = load_model_texts(model_folder, config.chat_template);
  const ComputeSetup compute = resolve_compute(config);
  use_compute(compute);
  Progress progress({.stage = "lift", .unit = "winners", .rate_unit = "tok"}, clock);
  return measure_thoughts({.config = config,
                           .texts = texts,
                           .compute = compute,
                           .model_folder = model_folder,
                           .round = round,
                           .stop = stop},
                          tasks,
                          best,
                          progress);
}

}  // namespace

Json select_again(const RunConfig& config,
                  int64_t round,
                  const fs::path& target,
                  Clock& clock,
                  const StopFlag& stop) {
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
  auto best = select(tasks, verdicts, config.judge, config.select, seed, round);
  if (config.select.min_lift) {
    require_lift(best, thoughts_of(config, round, tasks, best, clock, stop), config.select);
  }
  fs::create_directories(target);
  std::unique_ptr<Tokenizer> tokenizer;
  if (config.select.control == SelectControl::shuffled_thoughts) {
    tokenizer = load_model_texts(config.model.path, config.chat_template).tokenizer;
  }
  return publish_selected_rows(target, tasks, best, config, tokenizer.get());
}

}  // namespace thoughtrank
