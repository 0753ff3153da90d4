// round.yaml: composes the options that the rooms own and adds the run's own. Each option exists
// once, in the visit() of its owner; defaults, `config show`, the schema and `help config` come
// from there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/config/fields.h"
#include "thoughtrank/generate/generate.h"
#include "thoughtrank/judge/judge.h"
#include "thoughtrank/train/checkpoint.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

struct ModelOptions {
  std::string path;
  std::optional<Dtype> dtype;  // nullopt ("auto") takes what the device is fastest with
  std::string sha256;          // digest that the weights must have; "" allows any
  void visit(FieldVisitor& v);
};

// Worked examples, shown as earlier turns while branches are generated.
struct ExampleOptions {
  std::string path;    // "": none
  int64_t rounds = 0;  // the first rounds in which they are shown; 0: all
  bool train = false;  // true: they stay part of each prompt, in training and evaluation too
  void visit(FieldVisitor& v);
};

struct PromptOptions {
  std::string path;
  int64_t per_round = 256;  // fresh prompts; 0 takes all the rest in every round
  int64_t holdout = 64;
  bool drop_repeats = false;
  ExampleOptions examples;
  void visit(FieldVisitor& v);
};

// Questions with known answers that every round is asked.
struct TaskOptions {
  std::string name;
  std::string path;  // a prompt file whose rows have answers
  ReferenceMatch match = ReferenceMatch::numeric;
  int64_t prompts = 0;   // the first so many; 0: all
  std::string examples;  // worked examples in front of each question, in every round; "": none
  std::optional<int64_t> thought_tokens;  // nullopt: those of generate
  std::optional<int64_t> answer_tokens;
  std::optional<double> max_fall;  // in points below round 0, of a checkpoint that is published
};

struct EvaluateOptions {
  std::vector<TaskOptions> tasks;
  void visit(FieldVisitor& v);
};

struct LimitOptions {
  double max_hours = 0;      // limit of a run; 0 sets none
  double hang_minutes = 15;  // limit of a silence; 0 sets none
  [[nodiscard]] double hang_limit_s() const { return hang_minutes * 60; }
  void visit(FieldVisitor& v);
};

struct RunConfig {
  std::string run_dir = "runs/first";
  int64_t rounds = 4;
  int64_t seed = 1;
  std::string device = "auto";  // auto | cpu | cuda | cuda:N
  std::optional<int64_t> threads;
  std::string instruction_set = "auto";
  bool is_private = false;  // key "private"
  ModelOptions model;
  PromptOptions prompts;
  std::string chat_template = "auto";  // key "template"
  BranchOptions branches;
  GenerateOptions generate;
  JudgeOptions judge;
  SelectOptions select;
  TrainOptions train;
  EvaluateOptions evaluate;
  CheckpointOptions checkpoint;
  LimitOptions limits;
  void visit(FieldVisitor& v);
};

// Loads a config and checks it, relations between keys included. One Error(kConfig) tells every
// problem.
[[nodiscard]] RunConfig load_config(const ConfigSource& source);

// Gives the resolved config as JSON: what run.json freezes and what resuming compares.
[[nodiscard]] Json config_to_json(const RunConfig& config);

}  // namespace thoughtrank
