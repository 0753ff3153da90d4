// Round N, train: the winners' tokens are trained on and the round ends with a checkpoint.
#include <utility>

#include "pipeline/anchors.h"
#include "pipeline/finished.h"
#include "pipeline/stages.h"
#include "pipeline/tasks.h"
#include "pipeline/train_checkpoint.h"
#include "pipeline/training_rows.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {

namespace {

struct TrainingPlan {
  std::vector<TrainingRow> rows;         // objective sft
  std::vector<PreferencePairRow> pairs;  // objective dpo_nll
  fs::path start;
  std::string rows_sha256;
};

TrainingPlan plan_training(const Session& session, int64_t round) {
  const bool from_base = session.config.train.start_from == StartFrom::base;
  const bool has_pairs = session.config.train.objective == Objective::dpo_nll;
  TrainingPlan plan;
  plan.start = session.model_folder(from_base ? 0 : round - 1);
  const RowsOf rows_of =
      session.config.train.rows.value_or(from_base ? RowsOf::all : RowsOf::round);
  for (int64_t n = rows_of == RowsOf::all ? 1 : round; n <= round; ++n) {
    const fs::path file =
        session.folder.file(n, has_pairs ? RoundFile::preference_pairs : RoundFile::training_data);
    plan.rows_sha256 += sha256_file(file);
    if (has_pairs) {
      for (auto& pair : read_rows<PreferencePairRow>(file)) plan.pairs.push_back(std::move(pair));
    } else {
      for (TrainingRow& row : read_rows<TrainingRow>(file)) plan.rows.push_back(std::move(row));
    }
  }
  if (plan.rows.empty() && plan.pairs.empty()) {
    fail(ExitCode::kTrainingHealth,
         "round {} has no {} to train on: {} says why for each prompt. No checkpoint is made; "
         "round {} stays the newest. For other thresholds or another judge, give them and a new "
         "run_dir to `thoughtrank run --fork-from {} --round {}`, which generates nothing anew",
         round,
         has_pairs ? "pair of best and worst" : "winner",
         session.folder.file(round, RoundFile::best_outputs).string(),
         round - 1,
         session.folder.root().string(),
         round);
  }
  plan.rows_sha256 += replay_rows(plan.rows, session.replay, session.config, round);
  return plan;
}

Json model_card(const Session& session, const TrainingPlan& plan, int64_t round) {
  return {{"base_model", fs::path(session.config.model.path).filename().string()},
          {"round", round},
          {"rows", plan.rows.size() + plan.pairs.size()},
          {"judge", word_of(session.config.judge.first.kind, kJudgeKinds)},
          {"template", session.texts.chat_template.name},
          {"thought_open", session.config.branches.open},
          {"thought_close", session.config.branches.close}};
}

// The held-out prompts' own answers where all have one, else the anchors.
std::vector<std::string> gate_answers(const Session& session) {
  if (auto answers = own_answers(session.prompts.holdout)) return *std::move(answers);
  const fs::path anchors = session.folder.file(0, RoundFile::eval);
  if (!fs::exists(anchors)) {
    fail(ExitCode::kMissingInput,
         "train.max_heldout_worse needs {}, because not every held-out prompt has an 'answer'. "
         "`thoughtrank run` makes it",
         anchors.string());
  }
  return read_anchors(session);
}

std::optional<HeldoutGate> make_gate(const Session& session, int64_t round) {
  if (!session.config.train.max_heldout_worse) return std::nullopt;
  HeldoutGate gate = {
      .rows = heldout_rows(session.texts, session.prompts.holdout, gate_answers(session)),
      .max_worse = *session.config.train.max_heldout_worse,
      .subject = fmt::format("round {}", round),
      .advice = fmt::format("round {} stays the newest. Lower train.learning_rate or train.epochs "
                            "in a new run, or look at the round's winners",
                            round - 1)};
  if (gate.rows.empty()) return std::nullopt;
  return gate;
}

// The facts of a checkpoint that was published just before the process was killed.
StageReport report_of_published(const Session& session, int64_t round) {
  const fs::path manifest = session.folder.checkpoint(round) / kManifestName;
  const Json json = parse_json(read_file(manifest), manifest.string());
  Json facts = require(json, "training", manifest.string());
  facts["weights_sha256"] = weights_sha256(session.folder.checkpoint(round));
  return {.units = require_int(facts, "tokens", 0, INT64_MAX, manifest.string()),
          .unit = "tokens",
          .facts = facts};
}

}  // namespace

StageReport train_stage(Session& session, int64_t round) {
  set_damaged_checkpoint_aside(session, round);
  if (fs::exists(session.folder.checkpoint(round))) return report_of_published(session, round);
  TrainingPlan plan = plan_training(session, round);
  Json card = model_card(session, plan, round);
  (void)train_checkpoint({.config = session.config,
                          .compute = session.compute,
                          .texts = session.texts,
                          .label = fmt::format("round {} train", round),
                          .round = round,
                          .rows = std::move(plan.rows),
                          .pairs = std::move(plan.pairs),
                          .rows_sha256 = plan.rows_sha256,
                          .start = plan.start,
                          .gate = make_gate(session, round),
                          .inspect = task_gate(session, round),
                          .work = session.folder.training(round),
                          .metrics = session.folder.file(round, RoundFile::metrics),
                          .quarantine = session.folder.file(round, RoundFile::quarantine),
                          .target = session.folder.checkpoint(round),
                          .card = std::move(card),
                          .clock = session.clock,
                          .stop = session.stop});
  return report_of_published(session, round);
}

}  // namespace thoughtrank
