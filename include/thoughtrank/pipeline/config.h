// round.yaml: composes the options that the rooms own and adds the run's own. Each option exists
// once, in the visit() of its owner; defaults, `config show`, the schema and `help config` come
// from there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "thoughtrank/config/fields.h"
#include "thoughtrank/generate/generate.h"
#include "thoughtrank/judge/judge.h"
#include "thoughtrank/train/checkpoint.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

struct ModelOptions {
  std::string path;
  std::string dtype = "auto";  // auto | float32 | bfloat16
  std::string sha256;          // "" = not pinned
  void visit(FieldVisitor& v);
};

struct PromptOptions {
  std::string path;
  int64_t per_round = 256;  // 0: all the rest in every round
  int64_t holdout = 64;
  void visit(FieldVisitor& v);
};

struct LimitOptions {
  double max_hours = 0;      // 0: none
  double hang_minutes = 15;  // 0: none
  [[nodiscard]] double hang_limit_s() const { return hang_minutes * 60; }
  void visit(FieldVisitor& v);
};

struct RunConfig {
  std::string run_dir = "runs/first";
  int64_t rounds = 4;
  int64_t seed = 1;
  std::string device = "auto";  // auto | cpu | cuda | cuda:N
  std::optional<int64_t> threads;
  bool is_private = false;  // key "private"
  ModelOptions model;
  PromptOptions prompts;
  std::string chat_template = "auto";  // key "template"
  BranchOptions branches;
  GenerateOptions generate;
  JudgeOptions judge;
  SelectOptions select;
  TrainOptions train;
  CheckpointOptions checkpoint;
  LimitOptions limits;
  void visit(FieldVisitor& v);
};

// Loads and checks a config; every problem in one Error(kConfig). Relations between keys are
// checked here, too.
[[nodiscard]] RunConfig load_config(const ConfigSource& source);

// The resolved config as JSON: what run.json freezes and what resuming compares.
[[nodiscard]] Json config_to_json(const RunConfig& config);

}  // namespace thoughtrank
