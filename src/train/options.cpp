#include "thoughtrank/config/fields.h"
#include "thoughtrank/train/checkpoint.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

void SegmentWeights::visit(FieldVisitor& v) {
  v.number("thought", thought, {0, 1e6}, "loss weight of the thought's tokens, tags included");
  v.number("answer", answer, {0, 1e6}, "loss weight of the answer's tokens, end token included");
}

void DpoOptions::visit(FieldVisitor& v) {
  v.number("beta", beta, {1e-6, 1e6}, "dpo_nll: how strongly rewards follow the log-probabilities");
  v.number("nll", nll, {0, 1e6}, "dpo_nll: weight of the chosen completion's token-mean loss");
}

void LoraOptions::visit(FieldVisitor& v) {
  v.integer("rank", rank, {1, 4096}, "lora: rows of A, columns of B");
  v.number("alpha", alpha, {0, 1e6}, "lora: B·A is added times alpha / rank");
  v.text("targets", targets, "lora: all-linear, or names such as \"q_proj, v_proj\"");
}

void ReplayOptions::visit(FieldVisitor& v) {
  v.may_change().path("path",
                      path,
                      "training rows, as `train --data` takes them, to be mixed into each round's "
                      "own; empty: none");
  v.number("share",
           share,
           {0, 0.95},
           "of a round's training tokens, those of replayed rows: drawn anew in each round, none "
           "twice before all have come");
}

void AnchorOptions::visit(FieldVisitor& v) {
  v.optional_number("ema",
                    ema,
                    {0, 1},
                    "share of the weights that a round began at in those it publishes: ema · start "
                    "+ (1 − ema) · trained (WiSE-FT, arXiv 2109.01903); null: the trained ones");
}

namespace {

// What is trained, on what, and how it is stored.
void visit_kind(FieldVisitor& v, TrainOptions& o) {
  v.choice("method",
           o.method,
           kTrainMethods,
           "full: every weight is trained; lora: low-rank adapters, merged in the checkpoint");
  v.choice("objective",
           o.objective,
           kObjectives,
           "sft: cross-entropy on the winners' tokens; dpo_nll: DPO on best against worst, plus "
           "the best's cross-entropy");
  v.choice("start_from",
           o.start_from,
           kStartsFrom,
           "the weights that a round begins at. previous: the newest checkpoint; base: the base "
           "model");
  v.choice(
      "rows",
      o.rows,
      kRowsOfChoices,
      "that a round trains on. round: its own; all: those of all rounds so far; auto: all with "
      "start_from base, else round");
  v.choice("dtype",
           o.dtype,
           kComputeDtypes,
           "of the weights in training; auto: the dtype the model is loaded in");
  v.choice("optimizer_state",
           o.optimizer_state,
           kOptimizerStateChoices,
           "of AdamW's moments; float32_master keeps bfloat16 weights in float32, too; int8 with a "
           "scale for each 256; auto: the first of these four that fits the memory");
}

}  // namespace

void TrainOptions::visit(FieldVisitor& v) {
  visit_kind(v, *this);
  v.number("learning_rate", learning_rate, {0, 1}, "at the top of the schedule");
  v.numbers("betas", betas, 2, {0, 0.9999999}, "AdamW's decay of the two moments");
  v.number("eps", eps, {1e-30, 1}, "AdamW's epsilon");
  v.number("weight_decay", weight_decay, {0, 1}, "decoupled, on every weight");
  v.choice("schedule", schedule, kSchedules, "of the learning rate after the warm-up");
  v.number("warmup", warmup, {0, 1}, "share of the steps in which the learning rate rises");
  v.number("clip", clip, {0, 1e9}, "largest global gradient norm; 0: no clipping");
  v.number("spike_sigmas",
           spike_sigmas,
           {0, 1e6},
           "skip a step whose loss or gradient norm (with optimizer_in_backward: loss) is so many "
           "deviations above the last 128; 0: never");
  v.integer("epochs", epochs, {1, 1'000'000}, "times each row is trained on");
  v.boolean("shuffle", shuffle, "rows in a seeded order, another one each epoch");
  v.integer("sequence_length",
            sequence_length,
            {2, 1 << 24},
            "tokens of a packed sequence; a longer row is an error");
  v.integer("tokens_per_step",
            tokens_per_step,
            {1, int64_t{1} << 40},
            "an optimizer step takes rows until it has so many tokens; 1: a step per row");
  v.choice("checkpointing",
           checkpointing,
           kCheckpointingChoices,
           "what the backward pass computes again to save memory; auto: as little as fits. The "
           "result is the same, bit for bit");
  v.boolean("optimizer_in_backward",
            optimizer_in_backward,
            "update each weight as soon as its gradient is known: no gradients are kept. One "
            "micro-batch a step, clip 0");
  v.number("clip_per_tensor",
           clip_per_tensor,
           {0, 1e9},
           "with optimizer_in_backward: largest gradient norm of a single tensor; 0: no clipping");
  v.integer("state_every",
            state_every,
            {1, int64_t{1} << 40},
            "optimizer steps between two states that a stopped run resumes from; a multiple of it "
            "where writing a state takes longer than a second and over a tenth of the time");
  v.group("weights", weights, "loss weights of the parts of a completion");
  v.integer("thought_prefix",
            thought_prefix,
            {0, 1 << 24},
            "train only the first N tokens of a thought (arXiv 2503.02875); 0: all");
  v.group("lora", lora, "low-rank adapters");
  v.group("dpo", dpo, "preference pairs");
  v.group("replay", replay, "rows against forgetting");
  v.group("anchor", anchor, "a mean of weights against forgetting");
  v.optional_number("max_heldout_worse",
                    max_heldout_worse,
                    {0, 1e6},
                    "a checkpoint is not published (exit 81) when the held-out loss rose by more "
                    "than this share; null: no gate");
}

void CheckpointOptions::visit(FieldVisitor& v) {
  v.may_change().integer("keep", keep, {2, 1'000'000}, "checkpoints whose weights are kept");
  v.choice("dtype", dtype, kExportDtypes, "of the exported weights");
}

}  // namespace thoughtrank
