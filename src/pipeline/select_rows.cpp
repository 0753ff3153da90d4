#include "pipeline/select_rows.h"

#include <algorithm>
#include <map>

#include "pipeline/winners.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/train/rows.h"

namespace thoughtrank {

std::vector<JudgeTask> read_judge_tasks(const RunFolder& folder, int64_t round) {
  std::vector<JudgeTask> tasks;
  std::map<std::string, size_t> position;
  for (PromptRow& prompt : read_rows<PromptRow>(folder.file(round, RoundFile::prompts))) {
    position[prompt.prompt_id] = tasks.size();
    tasks.push_back({.prompt = std::move(prompt), .outputs = {}});
  }
  const fs::path outputs = folder.file(round, RoundFile::outputs);
  for (OutputRow& row : read_rows<OutputRow>(outputs)) {
    const auto found = position.find(row.prompt_id);
    if (found == position.end()) {
      fail(ExitCode::kBadData,
           "{}: prompt_id '{}' is not in prompts.jsonl",
           outputs.string(),
           row.prompt_id);
    }
    tasks[found->second].outputs.push_back(std::move(row));
  }
  return tasks;
}

const OutputRow& output_of(const JudgeTask& task, int64_t branch) {
  for (const OutputRow& row : task.outputs) {
    if (row.branch == branch) return row;
  }
  fail(ExitCode::kInternal, "prompt '{}' has no branch {}", task.prompt.prompt_id, branch);
}

namespace {

double utility_of(const BestOutputRow& best, int64_t branch) {
  for (const RankedItem& item : best.items) {
    if (item.branch == branch) return item.utility;
  }
  fail(ExitCode::kInternal, "prompt '{}' has no ranked branch {}", best.prompt_id, branch);
}

std::vector<TrainingRow> training_rows(const std::vector<Winner>& winners,
                                       const RunConfig& config,
                                       const ThoughtTags& tags,
                                       const Tokenizer* tokenizer) {
  const bool is_swapped = config.select.control == SelectControl::shuffled_thoughts;
  std::vector<TrainingRow> rows;
  for (size_t n = 0; n < winners.size(); ++n) {
    const OutputRow* other = is_swapped ? other_winner(winners, n, config.seed) : nullptr;
    const OutputRow& own = *winners[n].output;
    rows.push_back(make_training_row(
        winners[n].task->prompt,
        other == nullptr ? own : with_thought_of(*other, own, *tokenizer, config.branches.close),
        config.train,
        tags));
  }
  return rows;
}

}  // namespace

Json publish_selected_rows(const fs::path& target,
                           const std::vector<JudgeTask>& tasks,
                           const std::vector<BestOutputRow>& best,
                           const RunConfig& config,
                           const Tokenizer* tokenizer) {
  const ThoughtTags tags = {.open = config.branches.open, .close = config.branches.close};
  std::vector<Winner> winners;
  std::vector<PreferencePairRow> pairs;
  Json counts = Json::object();
  for (const auto& status : kSelectionStatuses) counts[status.word] = 0;
  for (size_t n = 0; n < tasks.size(); ++n) {
    const BestOutputRow& row = best.at(n);
    const std::string status = word_of(row.status, kSelectionStatuses);
    counts[status] = counts[status].get<int64_t>() + 1;
    if (row.status != SelectionStatus::trained) continue;
    const auto count =
        std::min<size_t>(static_cast<size_t>(config.select.winners_per_prompt), row.items.size());
    for (size_t k = 0; k < count; ++k) {
      winners.push_back({.task = &tasks[n], .output = &output_of(tasks[n], row.items[k].branch)});
    }
    if (row.worst < 0 || row.worst == row.winner) continue;  // one distinct answer is no pair
    pairs.push_back(make_preference_pair(tasks[n].prompt,
                                         output_of(tasks[n], row.winner),
                                         output_of(tasks[n], row.worst),
                                         utility_of(row, row.winner) - utility_of(row, row.worst),
                                         config.train,
                                         tags));
  }
  publish_rows(target / file_name(RoundFile::preference_pairs), pairs);
  publish_rows(target / file_name(RoundFile::training_data),
               training_rows(winners, config, tags, tokenizer));
  publish_rows(target / file_name(RoundFile::best_outputs), best);
  return counts;
}

}  // namespace thoughtrank
