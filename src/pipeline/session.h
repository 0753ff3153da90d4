// One open run: its config, machine, texts, folder and journal. Whoever has a Session has the lock.
#pragma once

#include <memory>
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

struct Session {
  RunConfig config;
  ComputeSetup compute;
  RunFolder folder;
  std::unique_ptr<RunLock> lock;
  RunLog log;
  ModelTexts texts;
  PromptPlan prompts;  // with token_ids
  Clock& clock;
  const StopFlag& stop;
  bool judges_ahead = false;  // while generating
  BatchFiles batch = {};

  // The folder whose weights generate in round n + 1: the base model, or round n's checkpoint.
  [[nodiscard]] std::filesystem::path model_folder(int64_t round) const;
};

// Checks everything that can be checked before any work, takes the lock, tidies what a killed run
// left, freezes or compares run.json.
[[nodiscard]] std::unique_ptr<Session> open_session(const RunConfig& config,
                                                    Clock& clock,
                                                    const StopFlag& stop);

// Digests of what decides about token ids and rankings beside weights and prompts: the template;
// the model's other files and the rubrics.
[[nodiscard]] std::string template_sha256(const ChatTemplate& chat_template);
[[nodiscard]] std::string texts_sha256(const RunConfig& config);

// The files a stage publishes in its round's folder, beside train's checkpoint/; the last one is
// written last.
[[nodiscard]] std::vector<std::string> published_files(Stage stage);

// True when the journal says so and the stage's published files are what it says. Error(kBadData)
// for a file that was changed or removed; a finished training whose checkpoint is damaged is not
// finished.
[[nodiscard]] bool is_finished(Session& session, int64_t round, Stage stage);

// True when round-NN/checkpoint verifies against its manifest; a damaged one is moved aside,
// reported, never used.
[[nodiscard]] bool has_good_checkpoint(Session& session, int64_t round);

// Writes rows of `round` with the decoder's weights.
[[nodiscard]] Generator make_generator(const Session& session,
                                       Decoder& decoder,
                                       const std::string& model_sha256,
                                       int64_t round);

// Takes the results of session.batch.from into the ledger, or gives up what was exported.
void settle_batch(Session& session);

// The judge of this run, for `round`.
[[nodiscard]] std::unique_ptr<Judge> open_judge(Session& session, int64_t round);
[[nodiscard]] std::unique_ptr<Judge> open_judge(Session& session,
                                                int64_t round,
                                                const StopFlag& stop);

// Prompts with their token ids. Those that do not fit the model's context are left out, with a
// warning.
[[nodiscard]] PromptPlan load_prompts(const RunConfig& config, const ModelTexts& texts);

}  // namespace thoughtrank
