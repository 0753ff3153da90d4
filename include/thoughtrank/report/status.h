// A run folder as it stands, read from its journal and records; nothing is opened for writing and
// no lock is taken, so it may be asked while the run goes on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/data/stage.h"

namespace thoughtrank {

// mean_with_interval() of values of prompts.
struct MeanWithInterval {
  double mean = 0;
  double low = 0;
  double high = 0;
  int64_t count = 0;
};

struct StageStatus {
  Stage stage = Stage::generate;
  enum class State { waiting, begun, finished } state = State::waiting;
  double seconds = 0;  // of the last, finishing attempt
  double rate = 0;     // units per second
  std::string unit;    // of the rate
  int64_t done = 0;    // begun: branches or calls finished so far
  std::string reason;  // begun: why the last attempt ended the round; "" where it did not
};

// Held-out answers of the untrained model in one form: scores, or wins against the direct form.
struct FormStatus {
  std::string name;                        // "thought_with_examples"
  std::optional<MeanWithInterval> result;  // none of the direct form where a judge ranks
  bool is_anchor = false;                  // the form that the rounds are compared with
};

// Right answers to a task after a round; of round 0 in the untrained model's best form.
struct TaskStatus {
  std::string name;
  std::string form;  // "direct"
  MeanWithInterval right;
  int64_t cut = 0;  // answers that reached their limit of tokens
};

struct RoundStatus {
  int64_t round = 0;
  std::vector<StageStatus> stages;
  int64_t trained = 0, uncertain = 0, skipped = 0, no_candidates = 0;  // prompts by status
  int64_t rows = 0, steps = 0;
  std::optional<double> loss_before, loss_after;
  double usd = 0;
  std::optional<MeanWithInterval> score;         // held-out, pointwise judges
  std::optional<MeanWithInterval> win_rate;      // held-out, ranking judges, against round 0
  std::optional<MeanWithInterval> heldout_loss;  // of the answer without a thought
  std::optional<double> kl_to_round_0;           // nats a token, along the held-out answers
  int64_t heldout_cut = 0, heldout_answers = 0;  // held-out answers cut at generate.answer_tokens
  std::vector<FormStatus> forms;                 // of round 0
  bool forms_are_wins = false;                   // not scores
  std::vector<TaskStatus> tasks;
  int64_t heldout_prompts = 0;  // that were answered, scored or not
  std::string audit;            // audit.json as text, "" where there is none
  std::string summary;          // summary.json as text, "" where there is none
  std::string checkpoint;       // path where weights are there, else ""
};

// Dollars of the whole run.
struct MoneyStatus {
  double spent = 0;
  double reserved = 0;         // for calls on their way or in a batch file
  double saved_by_ledger = 0;  // replies that were paid for before a restart
  // About what reading every answer, and not every distinct one, would have cost on top.
  double saved_by_deduplication = 0;
  int64_t waiting_calls = 0;  // in a batch file, without results
};

struct RunStatus {
  std::string run_dir;
  std::string holder;  // the process that works on it; empty: none
  MoneyStatus money;
  int64_t rounds = 0;
  std::string judge;
  std::vector<RoundStatus> history;  // round 0 first
  [[nodiscard]] bool is_finished() const;
};

// Error(kMissingInput) when there is no run at `run_dir`.
[[nodiscard]] RunStatus read_status(const std::filesystem::path& run_dir);

// The table `status` prints and `run` ends with.
[[nodiscard]] std::string format_status(const RunStatus& status);

// Mean over prompts with its 95 % interval: Wilson's (1927) of values that are 0 or 1, which has a
// width where all are alike; else the percentile bootstrap, 10,000 resamples from a fixed stream.
[[nodiscard]] MeanWithInterval mean_with_interval(const std::vector<double>& values);

}  // namespace thoughtrank
