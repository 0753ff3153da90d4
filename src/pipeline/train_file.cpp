#include "thoughtrank/pipeline/train_file.h"

#include <utility>

#include "pipeline/session.h"
#include "pipeline/train_checkpoint.h"
#include "pipeline/training_rows.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/watchdog.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/train/checkpoint.h"

namespace thoughtrank {

namespace {

// There is no round 0 whose anchors could stand in for an answer.
std::vector<std::string> require_answers(const RunConfig& config,
                                         const std::vector<PromptRow>& prompts) {
  if (auto answers = own_answers(prompts)) return *std::move(answers);
  for (const PromptRow& prompt : prompts) {
    if (!prompt.answer.empty()) continue;
    fail(ExitCode::kMissingInput,
         "train.max_heldout_worse needs an 'answer' with every held-out prompt of {}; '{}' has "
         "none. Add it there, or turn the gate off with --set train.max_heldout_worse=null",
         config.prompts.path,
         prompt.prompt_id);
  }
  return {};
}

std::optional<HeldoutGate> make_gate(const RunConfig& config,
                                     const ModelTexts& texts,
                                     const fs::path& data) {
  if (!config.train.max_heldout_worse) return std::nullopt;
  const std::vector<PromptRow> prompts = load_prompts(config, texts).holdout;
  HeldoutGate gate = {.rows = heldout_rows(texts, prompts, require_answers(config, prompts)),
                      .max_worse = *config.train.max_heldout_worse,
                      .subject = data.string(),
                      .advice = "lower train.learning_rate or train.epochs, or look at the rows"};
  if (gate.rows.empty()) return std::nullopt;
  return gate;
}

Json model_card(const RunConfig& config, const ModelTexts& texts, size_t rows) {
  return {{"base_model", fs::path(config.model.path).filename().string()},
          {"rows", rows},
          {"template", texts.chat_template.name}};
}

}  // namespace

TrainFileTarget train_file_target(const fs::path& out) {
  fs::path checkpoint = fs::absolute(out).lexically_normal();
  if (!checkpoint.has_filename()) checkpoint = checkpoint.parent_path();  // "DIR/"
  const auto beside = [&](const std::string& name) { return checkpoint.parent_path() / name; };
  const std::string name = checkpoint.filename().string();
  return {.checkpoint = checkpoint,
          .metrics = beside(name + "." + file_name(RoundFile::metrics)),
          .quarantine = beside(name + "." + file_name(RoundFile::quarantine)),
          .work = beside(".work-" + name)};
}

TrainFileResult train_file(const RunConfig& config,
                           const fs::path& data,
                           const fs::path& out,
                           Clock& clock,
                           const StopFlag& stop) {
  const Watchdog watchdog(config.limits.hang_limit_s(), "training");
  const TrainFileTarget target = train_file_target(out);
  if (!config.evaluate.tasks.empty()) {
    log_info("evaluate.tasks are asked in a run; a training on a file asks none");
  }
  if (fs::exists(target.checkpoint)) {
    fail(ExitCode::kConfig, "{} is there already: choose another --out", out.string());
  }
  require_licence(config.model.path, target.checkpoint, config.is_private);
  const ModelTexts texts = load_model_texts(config.model.path, config.chat_template);
  const bool has_pairs = config.train.objective == Objective::dpo_nll;
  auto pairs = has_pairs ? read_rows<PreferencePairRow>(data) : std::vector<PreferencePairRow>();
  auto rows = has_pairs ? std::vector<TrainingRow>() : read_training_rows(data, config, texts);
  const std::string replayed = replay_rows(rows, read_replay(config, texts), config, /*round=*/1);
  std::optional<HeldoutGate> gate = make_gate(config, texts, data);
  const ComputeSetup compute = resolve_compute(config, texts.model);
  use_compute(compute);

  fs::create_directories(target.work);
  const RunLock lock(target.work);
  const size_t count = rows.size() + pairs.size();
  const TrainResult result = train_checkpoint({.config = config,
                                               .compute = compute,
                                               .texts = texts,
                                               .label = "train",
                                               .round = 1,
                                               .is_of_round = false,
                                               .rows = std::move(rows),
                                               .pairs = std::move(pairs),
                                               .rows_sha256 = sha256_file(data) + replayed,
                                               .rows_file = data.filename().string(),
                                               .start = config.model.path,
                                               .gate = std::move(gate),
                                               .work = target.work,
                                               .metrics = target.metrics,
                                               .quarantine = target.quarantine,
                                               .target = target.checkpoint,
                                               .card = model_card(config, texts, count),
                                               .clock = clock,
                                               .stop = stop});
  fs::remove_all(target.work);
  return {.rows = result.rows,
          .steps = result.steps,
          .loss_before = result.loss_before,
          .loss_after = result.loss_after};
}

}  // namespace thoughtrank
