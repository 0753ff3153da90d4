#include "pipeline/train_checkpoint.h"

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/data/run_folder.h"
#include "thoughtrank/model/llama.h"
#include "thoughtrank/train/anchor.h"
#include "thoughtrank/train/checkpoint.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

namespace {

// Everything a training state depends on: a state of another identity is not resumed.
std::string state_identity(const TrainingJob& job, const std::string& start_sha256) {
  Json facts = {{"train", config_to_json(job.config).at("train")},
                {"rows", job.rows_sha256},
                {"start", start_sha256},
                {"seed", job.config.seed},
                {"round", job.round},
                {"dtype", word_of(job.compute.train_dtype)},
                {"tier", word_of(job.compute.optimizer_state)},
                {"threads", job.compute.threads}};
  // The rows' digest covers what these say, and a mean of weights comes after the last state.
  for (const char* key : {"rows", "replay", "anchor"}) facts["train"].erase(key);
  if (!job.is_of_round) {
    facts.erase("round");
    // A gate changes no weight: with another one the training is measured again, not done again.
    facts["train"]["max_heldout_worse"] = nullptr;
  }
  return sha256(dump_json(facts));
}

TrainResult train_weights(const TrainingJob& job, Llama& model, const std::string& start_sha256) {
  Progress progress(
      {.stage = job.label, .unit = "steps", .total = 0, .already_done = 0, .rate_unit = "tok"},
      job.clock);
  TrainOptions options = job.config.train;  // with auto as it was resolved at the first start
  options.optimizer_state = job.compute.optimizer_state;
  const TrainSetup setup = {.options = options,
                            .seed = static_cast<uint64_t>(job.config.seed),
                            .round = job.round,
                            .work_folder = job.work,
                            .identity = state_identity(job, start_sha256),
                            .clock = job.clock,
                            .stop = job.stop};
  TrainResult result = job.config.train.objective == Objective::dpo_nll
                           ? train_on_pairs(model, job.pairs, setup, progress)
                           : train(model, job.rows, setup, progress);
  progress.finish();
  return result;
}

// The work folder goes when all is done; what was skipped stays to be looked at.
void publish_records(const TrainingJob& job, const TrainResult& result) {
  publish_rows(job.metrics, result.metrics);
  const fs::path noted = job.work / file_name(RoundFile::quarantine);
  if (fs::exists(noted)) {
    publish_file(job.quarantine, read_file(noted));
  } else if (fs::exists(job.quarantine)) {  // of an earlier training, whose checkpoint was refused
    remove_durably(job.quarantine);
  }
}

Json training_facts(const TrainResult& result, const std::string& start_sha256) {
  return {{"rows", result.rows},
          {"steps", result.steps},
          {"tokens", result.tokens},
          {"loss_before", result.loss_before},
          {"loss_after", result.loss_after},
          {"weights_sha256_before", start_sha256}};
}

void publish(const TrainingJob& job,
             const Llama& model,
             const TrainResult& result,
             const std::string& start_sha256) {
  (void)publish_checkpoint(model,
                           {.base_folder = job.config.model.path,
                            .target = job.target,
                            .chat_template = job.texts.chat_template,
                            .dtype = job.config.checkpoint.dtype,
                            .is_private = job.config.is_private,
                            .card = job.card,
                            .rows_file = job.rows_file,
                            .adapter = result.adapter,
                            .lora = job.config.train.lora,
                            .adapter_base = job.start,
                            .manifest_extra = {{"training", training_facts(result, start_sha256)}},
                            .inspect = job.inspect});
}

}  // namespace

TrainResult train_checkpoint(const TrainingJob& job) {
  const std::string start_sha256 = weights_sha256(job.start);
  const at::ScalarType dtype = scalar_type(job.compute.train_dtype);
  Llama model = load_llama(job.start, dtype, at::Device(job.compute.device));
  require_free_space(job.target.parent_path(),
                     checkpoint_bytes(model, job.config.checkpoint.dtype));

  // Before the training, which changes the weights in place.
  const double loss_before = job.gate ? job.gate->measure(model) : 0;
  const TrainResult result = train_weights(job, model, start_sha256);
  publish_records(job, result);
  if (const std::optional<double> ema = job.config.train.anchor.ema) {
    average_with_start(
        model,
        job.start,
        {.ema = *ema, .seed = static_cast<uint64_t>(job.config.seed), .round = job.round});
  }
  if (job.gate) job.gate->require_kept(loss_before, job.gate->measure(model));
  publish(job, model, result, start_sha256);
  return result;
}

}  // namespace thoughtrank
