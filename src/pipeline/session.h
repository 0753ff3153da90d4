// One open run: its config, compute setup, texts, folder and journal. Whoever has a Session has the
// lock.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/prompt_plan.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/lock.h"
#include "thoughtrank/data/run_folder.h"
#include "thoughtrank/data/run_log.h"
#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/pipeline/model_setup.h"
#include "thoughtrank/pipeline/run.h"

namespace thoughtrank {

// A task with its questions, which carry token_ids.
struct LoadedTask {
  TaskOptions options;
  std::vector<PromptRow> prompts;
};

struct SessionOptions {
  BatchFiles batch = {};
  bool overlaps_judging = false;  // judges the prompts whose branches are there while generating
};

struct Session {
  RunConfig config;
  ComputeSetup compute;
  RunFolder folder;
  std::unique_ptr<RunLock> lock;
  RunLog log;
  ModelTexts texts;
  PromptPlan prompts;               // with token_ids
  std::vector<TrainingRow> replay;  // of train.replay.path
  std::vector<LoadedTask> tasks;
  Clock& clock;
  const StopFlag& stop;
  SessionOptions options;

  // Names the folder whose weights generate in round n + 1: the base model, or round n's
  // checkpoint.
  [[nodiscard]] std::filesystem::path model_folder(int64_t round) const;
};

// Checks everything that can be checked before any work, takes the lock, tidies what a killed run
// left, freezes or compares run.json.
[[nodiscard]] std::unique_ptr<Session> open_session(const RunConfig& config,
                                                    const SessionOptions& options,
                                                    Clock& clock,
                                                    const StopFlag& stop);

// Digests of what decides about token ids and rankings beside weights and prompts: of the template,
// of the worked examples with what the template puts behind them ("" without any), and of the
// model's other files and the rubrics.
[[nodiscard]] std::string template_sha256(const ChatTemplate& chat_template);
[[nodiscard]] std::string examples_sha256(const RunConfig& config,
                                          const ChatTemplate& chat_template);
[[nodiscard]] std::string texts_sha256(const RunConfig& config);

// Makes a generator that writes rows of `round` with the decoder's weights, which
// `model_sha256` names; with the config's budgets of tokens, or these.
[[nodiscard]] Generator make_generator(const Session& session,
                                       Decoder& decoder,
                                       const std::string& model_sha256,
                                       int64_t round,
                                       const std::optional<GenerateOptions>& budget = {});

// The judge of this run, for `round`; its loops ask `stop`, without one the session's.
// Error(kConfig | kCredentials) for settings, a key or a program that cannot work, and for a
// judge.max_usd below what is spent.
[[nodiscard]] std::unique_ptr<Judge> open_judge(Session& session, int64_t round);
[[nodiscard]] std::unique_ptr<Judge> open_judge(Session& session,
                                                int64_t round,
                                                const StopFlag& stop);

// Throws what open_judge() would, so that a run ends before its first work and not hours later.
void require_judge(Session& session, int64_t round);

// Reads the config's prompts, encodes them and plans the rounds. Prompts that do not fit the
// model's context are left out, with a warning. Throws Error(kConfig | kBadData) for what a later
// stage would refuse: rows that can pass train.sequence_length, answers that a reference judge
// cannot compare with.
[[nodiscard]] PromptPlan load_prompts(const RunConfig& config, const ModelTexts& texts);

}  // namespace thoughtrank
