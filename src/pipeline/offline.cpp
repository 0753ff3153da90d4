// Work beside the rounds: selecting again, and training on a file.
#include "pipeline/memory_tier.h"
#include "pipeline/selection.h"
#include "thoughtrank/core/lock.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/core/watchdog.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/pipeline/model_setup.h"
#include "thoughtrank/pipeline/run.h"
#include "thoughtrank/train/rows.h"

namespace thoughtrank {

Json select_again(const RunConfig& config, int64_t round, const fs::path& target) {
  const RunFolder folder{config.run_dir};
  const fs::path inside =
      fs::weakly_canonical(target).lexically_relative(fs::weakly_canonical(folder.root()));
  if ((!inside.empty() && *inside.begin() != "..") || fs::exists(target / "best_outputs.jsonl")) {
    fail(ExitCode::kConfig,
         "{} lies in the run folder or holds a selection already: choose a new folder with --out "
         "DIR",
         target.string());
  }
  const auto tasks = read_judge_tasks(folder, round);
  const auto verdicts = read_rows<VerdictRow>(folder.file(round, "verdicts.jsonl"));
  const auto seed = static_cast<uint64_t>(config.seed);
  const auto best = select(tasks, verdicts, config.judge, config.select, seed, round);
  fs::create_directories(target);
  return publish_selection(target, tasks, best, config);
}

namespace {

// Rows that have texts only are encoded by the template.
std::vector<TrainingRow> read_training_rows(const fs::path& data, const ModelTexts& texts) {
  auto rows = read_rows<TrainingRow>(data);
  for (TrainingRow& row : rows) {
    if (row.input_ids.empty()) encode_training_row(row, texts.chat_template, *texts.tokenizer);
  }
  return rows;
}

// Everything a training state depends on.
std::string file_identity(const RunConfig& config,
                          const fs::path& data,
                          const ComputeSetup& compute) {
  return sha256(dump_json(Json{{"train", config_to_json(config).at("train")},
                               {"rows", sha256_file(data)},
                               {"start", weights_sha256(config.model.path)},
                               {"seed", config.seed},
                               {"dtype", compute.train_dtype},
                               {"tier", compute.optimizer_state},
                               {"threads", compute.threads}}));
}

}  // namespace

TrainFileResult train_file(const RunConfig& config,
                           const fs::path& data,
                           const fs::path& target,
                           Clock& clock,
                           const StopFlag& stop) {
  const Watchdog watchdog(config.limits.hang_limit_s(), "training");
  if (fs::exists(target)) {
    fail(ExitCode::kConfig, "{} is there already: choose another --out", target.string());
  }
  require_licence(config.model.path, target, config.is_private);
  const ModelTexts texts = load_model_texts(config.model.path, config.chat_template);
  const bool has_pairs = config.train.objective == "dpo_nll";
  const auto pairs =
      has_pairs ? read_rows<PreferencePairRow>(data) : std::vector<PreferencePairRow>();
  const auto rows = has_pairs ? std::vector<TrainingRow>() : read_training_rows(data, texts);
  const ComputeSetup compute = with_tier(resolve_compute(config), config.train, texts.model);
  use_compute(compute);
  const auto dtype = compute.train_dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
  Llama model = load_llama(config.model.path, dtype, at::Device(compute.device));
  const fs::path parent = fs::absolute(target).parent_path();
  fs::create_directories(parent);
  const std::string identity = file_identity(config, data, compute);
  const fs::path work = parent / (".work-" + target.filename().string());
  fs::create_directories(work);
  const RunLock lock(work);
  Progress progress(
      {.stage = "train", .unit = "steps", .total = 0, .already_done = 0, .rate_unit = "tok"},
      clock);
  TrainOptions options = config.train;
  options.optimizer_state = compute.optimizer_state;
  const TrainSetup setup = {.options = options,
                            .seed = static_cast<uint64_t>(config.seed),
                            .round = 1,
                            .work_folder = work,
                            .identity = identity,
                            .clock = clock,
                            .stop = stop};
  const TrainResult result = has_pairs ? train_on_pairs(model, pairs, setup, progress)
                                       : train(model, rows, setup, progress);
  progress.finish();
  (void)publish_checkpoint(
      model,
      {.base_folder = config.model.path,
       .target = target,
       .chat_template = texts.chat_template,
       .dtype = config.checkpoint.dtype,
       .is_private = config.is_private,
       .card = {{"base_model", fs::path(config.model.path).filename().string()},
                {"rows", result.rows},
                {"template", texts.chat_template.name}},
       .adapter = result.adapter,
       .lora = config.train.lora,
       .adapter_base = config.model.path,
       .manifest_extra = {}});
  fs::remove_all(work);
  return {.rows = result.rows,
          .steps = result.steps,
          .loss_before = result.loss_before,
          .loss_after = result.loss_after};
}

}  // namespace thoughtrank
