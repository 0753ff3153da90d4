// Supervised fine-tuning of a Llama on rows of token ids: full fine-tuning with AdamW, packing
// without cross-contamination, loss on completions only, token-mean loss over the whole optimizer
// step. Every `state_every` steps a resumable state is published in the work folder; a resumed run
// gives the bytes of an uninterrupted one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/config/fields.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/records.h"
#include "thoughtrank/model/compute.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

struct SegmentWeights {
  double thought = 1;
  double answer = 1;
  void visit(FieldVisitor& v);
};

struct DpoOptions {
  double beta = 0.1;
  double nll = 1.0;
  void visit(FieldVisitor& v);
};

struct LoraOptions {
  int64_t rank = 16;
  double alpha = 32;
  std::string targets = "all-linear";  // all-linear | names, e.g. "q_proj, v_proj"
  void visit(FieldVisitor& v);
};

enum class TrainMethod : uint8_t { full, lora };
inline constexpr EnumWords<TrainMethod, 2> kTrainMethods = {
    {{TrainMethod::full, "full"}, {TrainMethod::lora, "lora"}}};

enum class Objective : uint8_t { sft, dpo_nll };
inline constexpr EnumWords<Objective, 2> kObjectives = {
    {{Objective::sft, "sft"}, {Objective::dpo_nll, "dpo_nll"}}};

// Which weights a round begins at.
enum class StartFrom : uint8_t { previous, base };
inline constexpr EnumWords<StartFrom, 2> kStartsFrom = {
    {{StartFrom::previous, "previous"}, {StartFrom::base, "base"}}};

// The rows of which rounds a round trains on.
enum class RowsOf : uint8_t { round, all };
// What an option offers; nullopt stands for "auto": all with StartFrom::base, else round.
inline constexpr EnumWords<std::optional<RowsOf>, 3> kRowsOfChoices = {
    {{std::nullopt, "auto"}, {RowsOf::round, "round"}, {RowsOf::all, "all"}}};

// Rows of a file that are mixed into each round's own (add_replayed_rows()).
struct ReplayOptions {
  std::string path;    // "" = none
  double share = 0.1;  // of the tokens that a round trains on
  void visit(FieldVisitor& v);
};

// What is published lies between the weights that a round began at and the trained ones
// (average_with_start()).
struct AnchorOptions {
  std::optional<double> ema;  // share of the former; nullopt = the trained weights are published
  void visit(FieldVisitor& v);
};

// Of the learning rate after the warm-up.
enum class Schedule : uint8_t { constant, linear, cosine };
inline constexpr EnumWords<Schedule, 3> kSchedules = {
    {{Schedule::constant, "constant"}, {Schedule::linear, "linear"}, {Schedule::cosine, "cosine"}}};

// What a layer's backward pass finds again instead of computing it anew.
enum class Checkpointing : uint8_t {
  none,       // all that it needs is kept
  selective,  // without gate_up, the largest: one of a layer's products is computed twice
  full,       // the layer's input only: the whole forward pass is computed twice
};
inline constexpr EnumWords<Checkpointing, 3> kCheckpointings = {
    {{Checkpointing::none, "none"},
     {Checkpointing::selective, "selective"},
     {Checkpointing::full, "full"}}};
// What an option offers; nullopt stands for "auto".
inline constexpr EnumWords<std::optional<Checkpointing>, 4> kCheckpointingChoices = {
    {{std::nullopt, "auto"},
     {Checkpointing::none, kCheckpointings[0].word},
     {Checkpointing::selective, kCheckpointings[1].word},
     {Checkpointing::full, kCheckpointings[2].word}}};

struct TrainOptions {
  TrainMethod method = TrainMethod::full;
  Objective objective = Objective::sft;
  StartFrom start_from = StartFrom::previous;
  std::optional<RowsOf> rows;  // nullopt ("auto"): as kRowsOfChoices says
  std::optional<Dtype> dtype;  // nullopt ("auto"): as the model is loaded
  // nullopt ("auto"): fitting_optimizer_state(); the trainer itself takes it as float32.
  std::optional<OptimizerState> optimizer_state;
  double learning_rate = 1e-5;
  std::vector<double> betas = {0.9, 0.95};
  double eps = 1e-8;
  double weight_decay = 0;
  Schedule schedule = Schedule::linear;
  double warmup = 0.03;     // share of the steps
  double clip = 1.0;        // global gradient norm; 0 = off
  double spike_sigmas = 6;  // a step so far above the last ones is skipped; 0 = off
  int64_t epochs = 1;
  bool shuffle = true;
  int64_t sequence_length = 4096;
  int64_t tokens_per_step = 16384;
  std::optional<Checkpointing> checkpointing;  // nullopt ("auto"): fitting_checkpointing()
  bool optimizer_in_backward = false;
  double clip_per_tensor = 0;  // largest gradient norm of a tensor; 0 = off
  int64_t state_every = 50;
  SegmentWeights weights;
  int64_t thought_prefix = 0;
  LoraOptions lora;
  DpoOptions dpo;
  ReplayOptions replay;
  AnchorOptions anchor;
  std::optional<double> max_heldout_worse;  // publish gate: relative rise of the held-out loss
  void visit(FieldVisitor& v);
};

// Throws Error(kConfig) when the options ask optimizer_in_backward for accumulation, global
// clipping, an objective other than sft or method lora, for clip_per_tensor without it, for replay
// with an objective other than sft, for an anchor with method lora, and for targets of method lora
// that are no layers.
void require_tier(const TrainOptions& options);

struct TrainSetup {
  TrainOptions options;
  uint64_t seed = 0;
  int64_t round = 0;
  // Of the resumable states: it is made where it is missing, and kept until the caller removes it.
  std::filesystem::path work_folder;
  // The hash of everything that a state depends on: a state of another identity is not resumed.
  std::string identity;
  const Clock& clock;
  const StopFlag& stop;
};

struct TrainResult {
  int64_t rows = 0;
  int64_t steps = 0;
  int64_t tokens = 0;
  double loss_before = 0;  // over all rows, before the first and after the last step
  double loss_after = 0;
  std::vector<MetricsRow> metrics;  // all steps, also those before a resume
  NamedTensors adapter;             // method lora: A and B under PEFT's names
};

// Trains `model` in place: its weights move into one flat buffer (of options.dtype) and stay there.
// Method lora: adapters are trained beside the frozen weights, and the model ends with both merged.
// `progress` counts steps and tokens, also the steps before a resume. Rows carry input_ids and
// spans. Error(kBadData) naming the prompt id for rows that are too long, empty, without loss
// tokens or with ids out of range; Error(kTrainingHealth) after three bad steps in a row
// (not finite, or a spike; bad steps are skipped and noted in work_folder/quarantine.jsonl; with
// optimizer_in_backward a spike of the gradient norm passes: it is known when all is updated);
// Error(kStopped | kInterrupted) when stopped.
[[nodiscard]] TrainResult train(Llama& model,
                                const std::vector<TrainingRow>& rows,
                                const TrainSetup& setup,
                                Progress& progress);

// Does the same on pairs for objective dpo_nll, with the loss of train/preference.h; metrics carry
// the rewards' margin and accuracy. Error(kBadData) also for a pair that passes sequence_length.
[[nodiscard]] TrainResult train_on_pairs(Llama& model,
                                         const std::vector<PreferencePairRow>& pairs,
                                         const TrainSetup& setup,
                                         Progress& progress);

// Computes the token-mean cross-entropy over the weighted spans of all rows, without gradients.
[[nodiscard]] double mean_loss(const Llama& model,
                               const std::vector<TrainingRow>& rows,
                               int64_t sequence_length);

}  // namespace thoughtrank
