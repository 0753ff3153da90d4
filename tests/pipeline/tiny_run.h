// A whole run on the tiny random Llama in a folder of its own, in this process: a round takes a
// fraction of a second. Its config is YAML, as a user's is.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/session.h"
#include "support/expect_error.h"
#include "support/fake_clock.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/journal.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/run_folder.h"
#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/pipeline/run.h"

namespace thoughtrank {

inline const std::string kTinyModel = std::string(TEST_DATA_DIR) + "/tiny-llama";

// Asks to stop when it has been looked at so many times: an interruption that comes at the same
// place each time.
class StoppingClock : public FakeClock {
 public:
  StoppingClock(StopFlag& flag, int64_t looks) : flag_(flag), looks_(looks) {}
  [[nodiscard]] double now_s() const override {
    if (--looks_ == 0) flag_.request(SIGTERM);
    return FakeClock::now_s();
  }

 private:
  StopFlag& flag_;
  mutable int64_t looks_;
};

class TinyRun {
 public:
  TinyRun() {
    show_progress(false);
    write_prompts(8, /*has_answers=*/true);
  }

  void write_prompts(int64_t count, bool has_answers) {
    std::string lines;
    for (int64_t n = 0; n < count; ++n) {
      Json row = {{"id", fmt::format("p{}", n)}, {"prompt", fmt::format("What is {0} + {0}?", n)}};
      if (has_answers) row["answer"] = std::to_string(2 * n);
      lines += dump_json(row) + "\n";
    }
    write_plainly(root() / "prompts.jsonl", lines);
  }

  // The config with these values instead of its own: "judge.kind=reference".
  [[nodiscard]] RunConfig config(const std::vector<std::string>& sets = {}) const {
    write_plainly(root() / "round.yaml",
                  "run_dir: run\nrounds: 2\nseed: 3\nthreads: 1\ndevice: cpu\n"
                  "model: {path: " +
                      kTinyModel +
                      ", dtype: float32}\n"
                      "prompts: {path: prompts.jsonl, per_round: 2, holdout: 2}\n"
                      "branches: {chars: a-f}\n"
                      "generate: {thought_tokens: 4, answer_tokens: 10, loop_rule: false}\n"
                      "judge: {kind: likelihood, drop: {bare: false}}\n"
                      "train: {learning_rate: 1e-3, schedule: constant, warmup: 0, "
                      "tokens_per_step: 1, epochs: 2, state_every: 1, optimizer_state: float32}\n");
    return load_config({.file = (root() / "round.yaml").string(), .sets = sets});
  }

  // Writes two worked examples and returns the values that show them, then these.
  [[nodiscard]] std::vector<std::string> with_examples(std::vector<std::string> sets = {}) const {
    const auto file = root() / "examples.jsonl";
    if (!std::filesystem::exists(file)) {
      write_plainly(
          file,
          "{\"prompt\": \"What is 1 + 1?\", \"thought\": \"One more.\", \"answer\": 2}\n"
          "{\"prompt\": \"What is 2 + 1?\", \"thought\": \"Two, three.\", \"answer\": 3}\n");
    }
    sets.insert(sets.begin(), "prompts.examples.path=" + file.string());
    return sets;
  }

  // A program as judge: of two answers it prefers the one that is first in the alphabet. Each call
  // adds a line to judge.sh.calls.
  [[nodiscard]] std::vector<std::string> judged_by_program(
      const std::vector<std::string>& sets = {}) const {
    const auto program = root() / "judge.sh";
    const std::string script = R"sh(#!/bin/sh
export LC_ALL=C
echo call >> "$0.calls"
ranking=$(grep -o '"label":"[A-Z]","answer":"\([^"\\]\|\\.\)*"' |
  sed 's/"label":"\(.\)","answer":\(.*\)/\2 \1/' | sort | sed 's/.* \(.\)$/"\1"/' | paste -sd, -)
echo "{\"ranking\":[$ranking]}"
)sh";
    write_plainly(program, script);
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    std::vector<std::string> all = {"judge.kind=command",
                                    "judge.command=[" + program.string() + "]",
                                    "select.max_regret=100",
                                    "select.min_confidence=0"};
    all.insert(all.end(), sets.begin(), sets.end());
    return all;
  }
  [[nodiscard]] int64_t judge_calls() const {
    const auto log = root() / "judge.sh.calls";
    if (!std::filesystem::exists(log)) return 0;
    const std::string lines = read_file(log);
    return std::count(lines.begin(), lines.end(), '\n');
  }

  // All rounds; true when there was something to do.
  bool run(const std::vector<std::string>& sets = {}) {
    return run_rounds(config(sets), clock, stop);
  }
  void run_stage(Stage stage,
                 std::optional<int64_t> round = {},
                 const std::vector<std::string>& sets = {}) {
    run_one_stage(config(sets), stage, round, clock, stop);
  }
  [[nodiscard]] std::unique_ptr<Session> open(const std::vector<std::string>& sets = {},
                                              const SessionOptions& options = {}) {
    return open_session(config(sets), options, clock, stop);
  }

  [[nodiscard]] const std::filesystem::path& root() const { return folder_.path(); }
  [[nodiscard]] RunFolder folder(const std::string& name = "run") const {
    return RunFolder(root() / name);
  }
  [[nodiscard]] std::string text(int64_t round, RoundFile file) const {
    return read_file(folder().file(round, file));
  }
  [[nodiscard]] std::string weights(int64_t round) const {
    return read_file(folder().checkpoint(round) / "model.safetensors");
  }
  [[nodiscard]] std::vector<Json> journal() const {
    std::vector<Json> records;
    read_journal(folder().journal(), [&](const Json& record) { records.push_back(record); });
    return records;
  }
  // The journal's records of this event: "stage_failed".
  [[nodiscard]] std::vector<Json> journal_of(const std::string& event) const {
    std::vector<Json> records = journal();
    std::erase_if(records, [&](const Json& record) { return record["event"] != event; });
    return records;
  }

  FakeClock clock;
  StopFlag stop;

 private:
  TemporaryFolder folder_;
};

}  // namespace thoughtrank
