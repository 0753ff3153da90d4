// Each record once, with a value in every member that differs from its default.
#pragma once

#include "thoughtrank/data/records.h"

namespace thoughtrank {

template <class Row>
Row example();

template <>
inline PromptRow example() {
  return {.prompt_id = "p1",
          .prompt = "Name a colour.\nOnly one: “ü”",
          .system = "Be brief.",
          .answer = "red",
          .token_ids = {1, 2, 128000}};
}

template <>
inline OutputRow example() {
  return {.prompt_id = "p1",
          .round = 2,
          .branch = 61,
          .char_ = "9",
          .thought = "9 lives",
          .answer = "cat \xF0\x9F\x90\x88",
          .token_ids = {5, 6, 7, 8},
          .head_len = 2,
          .answer_start = 3,
          .answer_offset = 1,
          .thought_end = ThoughtEnd::cap,
          .finish = Finish::loop,
          .thought_logprob = -1.25,
          .answer_logprob = -0.1,
          .answer_margin = 1.0 / 3.0,
          .model_sha256 = "ab"};
}

template <>
inline VerdictRow example() {
  return {.prompt_id = "p1",
          .round = 1,
          .stage = VerdictStage::halve,
          .call = 3,
          .judge = "openai:some-judge",
          .request_sha256 = "cd",
          .labels = {"A", "B"},
          .branches = {4, -1},
          .ranking = {-1, 4},
          .scores = {0.5, 2},
          .abstained = true,
          .reason = "no list",
          .attempts = 2,
          .input_tokens = 900,
          .output_tokens = 20,
          .usd = 0.00125,
          .reply = "{\"ranking\": []}"};
}

template <>
inline BestOutputRow example() {
  return {.prompt_id = "p1",
          .round = 1,
          .status = SelectionStatus::trained,
          .reason = "clear",
          .winner = 4,
          .runner_up = 5,
          .worst = 6,
          .items = {{.branch = 4,
                     .multiplicity = 3,
                     .branches = {2, 4},
                     .utility = 1.5,
                     .deviation = 0.25,
                     .p_best = 0.75},
                    {.branch = 5,
                     .multiplicity = 1,
                     .branches = {5},
                     .utility = -1,
                     .deviation = 0.5,
                     .p_best = 0}},
          .regret = 0.125,
          .calls = 9,
          .usd = 0.5};
}

template <>
inline ThoughtRow example() {
  return {.prompt_id = "p1",
          .round = 1,
          .branch = 4,
          .other_prompt_id = "p2",
          .other_branch = 9,
          .answer_tokens = 7,
          .own = -0.5,
          .none = -1.25,
          .other = -2,
          .shuffled = -0.75,
          .lift = 0.75,
          .model_sha256 = "ab"};
}

template <>
inline TrainingRow example() {
  return {.prompt_id = "p1",
          .round = 1,
          .branch = 4,
          .prompt = "Name a colour.",
          .completion = "<thought>e</thought>red",
          .input_ids = {1, 2, 3, 4},
          .spans = {{.from = 2, .to = 3, .weight = 0.5}, {.from = 3, .to = 4, .weight = 1}},
          .weight = 2};
}

template <>
inline PreferencePairRow example() {
  return {.prompt_id = "p1",
          .round = 1,
          .prompt = "Name a colour.",
          .chosen = "red",
          .rejected = "house",
          .prompt_ids = {1},
          .chosen_ids = {2, 3},
          .rejected_ids = {4},
          .chosen_spans = {{.from = 1, .to = 3, .weight = 1}},
          .rejected_spans = {{.from = 1, .to = 2, .weight = 1}},
          .utility_gap = 2.5};
}

template <>
inline MetricsRow example() {
  return {.round = 1,
          .step = 7,
          .epoch = 0.5,
          .loss = 1.5,
          .grad_norm = 0.25,
          .learning_rate = 1e-5,
          .loss_tokens = 100,
          .tokens = 300,
          .skipped = true,
          .reward_margin = 0.5,
          .reward_accuracy = 1.0};
}

template <>
inline EvalRow example() {
  return {.prompt_id = "p1",
          .round = 1,
          .thought = "hm",
          .answer = "red",
          .token_ids = {1, 2},
          .score = -0.5,
          .win = 0.5,
          .heldout_loss = 2.25,
          .thought_tokens = 1,
          .answer_tokens = 2};
}

}  // namespace thoughtrank
