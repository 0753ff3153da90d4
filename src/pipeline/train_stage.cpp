// Round N, train: the winners' tokens are trained on and the round ends with a checkpoint.
#include "pipeline/heldout_gate.h"
#include "pipeline/stages.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/model/llama.h"
#include "thoughtrank/train/checkpoint.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

namespace {

// previous: this round's rows from the newest checkpoint; base: all rounds' rows from the base
// weights.
struct TrainingPlan {
  std::vector<TrainingRow> rows;         // objective sft
  std::vector<PreferencePairRow> pairs;  // objective dpo_nll
  fs::path start;
  std::string rows_sha256;
};

TrainingPlan plan_training(const Session& session, int64_t round) {
  const bool from_base = session.config.train.start_from == "base";
  const bool has_pairs = session.config.train.objective == "dpo_nll";
  TrainingPlan plan;
  plan.start = session.model_folder(from_base ? 0 : round - 1);
  for (int64_t n = from_base ? 1 : round; n <= round; ++n) {
    const fs::path file =
        session.folder.file(n, has_pairs ? "preference_pairs.jsonl" : "training_data.jsonl");
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
         session.folder.file(round, "best_outputs.jsonl").string(),
         round - 1,
         session.folder.root().string(),
         round);
  }
  return plan;
}

// Everything a training state depends on.
std::string state_identity(const Session& session,
                           const TrainingPlan& plan,
                           const std::string& start_sha256,
                           int64_t round) {
  return sha256(dump_json(Json{{"train", config_to_json(session.config).at("train")},
                               {"rows", plan.rows_sha256},
                               {"start", start_sha256},
                               {"seed", session.config.seed},
                               {"round", round},
                               {"dtype", session.compute.train_dtype},
                               {"tier", session.compute.optimizer_state},
                               {"threads", session.compute.threads}}));
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

Json training_facts(const TrainResult& result, const std::string& start_sha256) {
  return {{"rows", result.rows},
          {"steps", result.steps},
          {"tokens", result.tokens},
          {"loss_before", result.loss_before},
          {"loss_after", result.loss_after},
          {"weights_sha256_before", start_sha256}};
}

// The work folder goes when the stage is finished; what was skipped stays to be looked at.
void keep_quarantine(const Session& session, int64_t round) {
  const fs::path noted = session.folder.work(round) / "train" / "quarantine.jsonl";
  if (fs::exists(noted))
    publish_file(session.folder.file(round, "quarantine.jsonl"), read_file(noted));
}

// The facts of a checkpoint that was published just before the process was killed.
StageReport report_of_published(const Session& session, int64_t round) {
  const fs::path manifest = session.folder.checkpoint(round) / "MANIFEST.json";
  const Json json = parse_json(read_file(manifest), manifest.string());
  Json facts = require(json, "training", manifest.string());
  facts["weights_sha256"] = weights_sha256(session.folder.checkpoint(round));
  return {.units = require_int(facts, "tokens", 0, INT64_MAX, manifest.string()),
          .unit = "tokens",
          .facts = facts};
}

}  // namespace

StageReport train_stage(Session& session, int64_t round) {
  if (has_good_checkpoint(session, round)) return report_of_published(session, round);
  const TrainingPlan plan = plan_training(session, round);
  const std::string start_sha256 = weights_sha256(plan.start);
  const auto dtype = session.compute.train_dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
  Llama model = load_llama(plan.start, dtype, at::Device(session.compute.device));
  require_free_space(session.folder.root(),
                     checkpoint_bytes(model, session.config.checkpoint.dtype));

  const std::optional<double> heldout_before = measure_heldout(session, model);

  Progress progress({.stage = fmt::format("round {} train", round),
                     .unit = "steps",
                     .total = 0,
                     .already_done = 0,
                     .rate_unit = "tok"},
                    session.clock);
  TrainOptions options = session.config.train;
  options.optimizer_state = session.compute.optimizer_state;
  const TrainSetup setup = {.options = options,
                            .seed = static_cast<uint64_t>(session.config.seed),
                            .round = round,
                            .work_folder = session.folder.work(round) / "train",
                            .identity = state_identity(session, plan, start_sha256, round),
                            .clock = session.clock,
                            .stop = session.stop};
  const TrainResult result = plan.pairs.empty()
                                 ? train(model, plan.rows, setup, progress)
                                 : train_on_pairs(model, plan.pairs, setup, progress);
  progress.finish();
  publish_rows(session.folder.file(round, "metrics.jsonl"), result.metrics);
  keep_quarantine(session, round);
  require_heldout_kept(session, round, heldout_before, measure_heldout(session, model));
  const Json facts = training_facts(result, start_sha256);
  (void)publish_checkpoint(model,
                           {.base_folder = session.config.model.path,
                            .target = session.folder.checkpoint(round),
                            .chat_template = session.texts.chat_template,
                            .dtype = session.config.checkpoint.dtype,
                            .is_private = session.config.is_private,
                            .card = model_card(session, plan, round),
                            .adapter = result.adapter,
                            .lora = session.config.train.lora,
                            .adapter_base = plan.start,
                            .manifest_extra = {{"training", facts}}});
  return report_of_published(session, round);
}

}  // namespace thoughtrank
