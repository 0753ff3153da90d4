#include "thoughtrank/core/fields.h"
#include "thoughtrank/train/checkpoint.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

void SegmentWeights::visit(FieldVisitor& v) {
  v.number("thought", thought, {0, 1e6}, "loss weight of the thought's tokens, tags included");
  v.number("answer", answer, {0, 1e6}, "loss weight of the answer's tokens, end token included");
}

void TrainOptions::visit(FieldVisitor& v) {
  v.choice("method", method, {"full"}, "full: every weight is trained");
  v.choice("objective", objective, {"sft"}, "sft: cross-entropy on the winners' tokens");
  v.choice("start_from",
           start_from,
           {"previous", "base"},
           "previous: the newest checkpoint and this round's rows; base: the base weights and the "
           "rows of all rounds");
  v.choice("dtype",
           dtype,
           {"auto", "float32", "bfloat16"},
           "of the weights in training; auto: the dtype the model is loaded in");
  v.choice("optimizer_state",
           optimizer_state,
           {"auto", "float32", "bfloat16"},
           "of AdamW's moments; auto: float32");
  v.number("learning_rate", learning_rate, {0, 1}, "at the top of the schedule");
  v.numbers("betas", betas, 2, {0, 0.9999999}, "AdamW's decay of the two moments");
  v.number("eps", eps, {1e-30, 1}, "AdamW's epsilon");
  v.number("weight_decay", weight_decay, {0, 1}, "decoupled, on every weight");
  v.choice("schedule",
           schedule,
           {"constant", "linear", "cosine"},
           "of the learning rate after the warm-up");
  v.number("warmup", warmup, {0, 1}, "share of the steps in which the learning rate rises");
  v.number("clip", clip, {0, 1e9}, "largest global gradient norm; 0: no clipping");
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
           {"auto", "none", "selective", "full"},
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
            "optimizer steps between two states that a stopped run resumes from");
  v.group("weights", weights, "loss weights of the parts of a completion");
  v.integer("thought_prefix",
            thought_prefix,
            {0, 1 << 24},
            "train only the first N tokens of a thought (arXiv 2503.02875); 0: all");
}

void CheckpointOptions::visit(FieldVisitor& v) {
  v.integer("keep", keep, {2, 1'000'000}, "checkpoints whose weights are kept");
  v.choice("dtype", dtype, {"bfloat16", "float32"}, "of the exported weights");
}

}  // namespace thoughtrank
