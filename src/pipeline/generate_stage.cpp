// Round N, generate: 62 branches for each prompt with the weights of round N − 1.
#include "pipeline/branch_store.h"
#include "pipeline/overlap_judge.h"
#include "pipeline/shown_prompts.h"
#include "pipeline/stages.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

namespace {

std::vector<OutputRow> sorted_rows(const std::vector<PromptRow>& prompts,
                                   const BranchStore& store) {
  std::vector<OutputRow> rows;
  for (const PromptRow& prompt : prompts) {
    for (OutputRow& row : store.rows_of(prompt.prompt_id)) rows.push_back(std::move(row));
  }
  return rows;
}

Json count_ends(const std::vector<OutputRow>& rows) {
  Json counts = {{"thought_end", Json::object()}, {"finish", Json::object()}};
  const auto count = [](Json& group, const std::string& key) {
    group[key] = group.value(key, 0) + 1;
  };
  for (const OutputRow& row : rows) {
    count(counts["thought_end"], word_of(row.thought_end, kThoughtEnds));
    count(counts["finish"], word_of(row.finish, kFinishes));
  }
  return counts;
}

}  // namespace

StageReport generate_stage(Session& session, int64_t round) {
  const auto& prompts = session.prompts.rounds.at(static_cast<size_t>(round - 1));
  const fs::path model_folder = session.model_folder(round - 1);
  const std::string model_sha256 = weights_sha256(model_folder);
  BranchStore store(session.folder.branches(round), model_sha256);

  Decoder decoder =
      load_decoder(model_folder, session.compute, {.slots = session.config.generate.slots});
  Generator generator = make_generator(session, decoder, model_sha256, round);
  Progress progress({.stage = fmt::format("round {} generate", round),
                     .unit = "branches",
                     .total = static_cast<int64_t>(prompts.size()) * generator.branch_count(),
                     .already_done = store.count(),
                     .rate_unit = "tok"},
                    session.clock);
  OverlapJudge overlap(session, round);
  const auto judge_if_whole = [&](const PromptRow& prompt) {
    auto rows = store.rows_of(prompt.prompt_id);
    if (std::ssize(rows) != generator.branch_count()) return;
    overlap.add({.prompt = prompt, .outputs = std::move(rows)});
  };
  for (const PromptRow& prompt : prompts) judge_if_whole(prompt);
  generator.generate_branches(
      shown_prompts(session.config, session.texts, session.prompts, round),
      [&](size_t prompt, int64_t branch) { return store.has(prompts[prompt].prompt_id, branch); },
      [&](size_t prompt, OutputRow row) {
        store.add(std::move(row));
        judge_if_whole(prompts[prompt]);
      },
      session.stop,
      progress);
  progress.finish();

  const auto rows = sorted_rows(prompts, store);
  publish_rows(session.folder.file(round, RoundFile::prompts), prompts);
  publish_rows(session.folder.file(round, RoundFile::outputs), rows);
  overlap.finish();
  StageReport report{.units = progress.work(), .unit = "tokens", .facts = count_ends(rows)};
  report.facts["judged_ahead"] = overlap.judged();
  return report;
}

}  // namespace thoughtrank
