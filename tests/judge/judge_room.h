// What the tests of the judge room share: prompts with answers, a clock without time, a folder for
// the ledger.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/judge/judge.h"

namespace thoughtrank {

// Sleeping moves it on; nothing waits.
class FakeClock : public Clock {
 public:
  [[nodiscard]] double now_s() const override { return now_; }
  [[nodiscard]] std::string utc_time() const override { return "2026-01-31T12:00:00Z"; }
  void sleep_s(double seconds) override { now_ += seconds; }

 private:
  double now_ = 1000;
};

inline void expect_error(ExitCode code,
                         const std::function<void()>& act,
                         const std::vector<std::string>& parts) {
  try {
    act();
    ADD_FAILURE() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "'" << part << "' not in: " << error.what();
    }
  }
}

// An answer whose length grows with `branch`, with a thought that must not leak.
inline OutputRow output(const std::string& prompt_id, int64_t branch, const std::string& answer) {
  OutputRow row;
  row.prompt_id = prompt_id;
  row.branch = branch;
  row.char_ = "a";
  row.thought = "PLANTED-THOUGHT about " + std::to_string(branch);
  row.answer = answer;
  row.thought_end = "model";
  row.finish = "eos";
  return row;
}

inline PromptRow prompt_row(const std::string& id, const std::string& text) {
  PromptRow row;
  row.prompt_id = id;
  row.prompt = text;
  return row;
}

inline std::vector<JudgeTask> make_tasks(size_t prompts, int64_t branches) {
  std::vector<JudgeTask> tasks;
  for (size_t p = 0; p < prompts; ++p) {
    JudgeTask task;
    task.prompt.prompt_id = "p" + std::to_string(p);
    task.prompt.prompt = "Question " + std::to_string(p) + "?";
    for (int64_t b = 0; b < branches; ++b) {
      // Branch b is b letters longer than branch 0.
      const std::string answer = "Answer " + std::string(static_cast<size_t>(b + 1), 'x');
      task.outputs.push_back(output(task.prompt.prompt_id, b, answer));
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

class JudgeTest : public testing::Test {
 protected:
  void SetUp() override {
    show_progress(false);
    start_log(LogFormat::text, LogLevel::error);
    std::string name = testing::TempDir() + "thoughtrank-judge-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::filesystem::path ledger() const { return folder_ / "judge.jsonl"; }

  [[nodiscard]] static JudgeOptions server_options(const std::string& base_url) {
    JudgeOptions options;
    options.kind = "openai";
    options.base_url = base_url;
    options.model = "mock";
    options.timeout_s = 20;
    options.concurrency = 8;
    return options;
  }

  [[nodiscard]] Judge open(const JudgeOptions& options, AnswerScorer scorer = {}) {
    return Judge({.options = options,
                  .select = select_,
                  .seed = 7,
                  .round = 1,
                  .ledger = ledger(),
                  .scorer = std::move(scorer),
                  .clock = clock_,
                  .stop = stop_});
  }

  [[nodiscard]] std::vector<JudgedPrompt> run(const JudgeOptions& options,
                                              const std::vector<JudgeTask>& tasks,
                                              AnswerScorer scorer = {}) {
    Judge judge = open(options, std::move(scorer));
    Progress progress = silent_progress();
    return judge.judge(tasks, progress);
  }

  [[nodiscard]] Progress silent_progress() const { return Progress(ProgressOptions(), clock_); }

  std::filesystem::path folder_;
  FakeClock clock_;
  StopFlag stop_;
  SelectOptions select_;
};

// The rows that a judge stage writes, as bytes.
inline std::string bytes_of(const std::vector<JudgedPrompt>& judged) {
  std::string bytes;
  for (const JudgedPrompt& prompt : judged) {
    bytes += dump_json(to_json(prompt.best)) + "\n";
    for (const VerdictRow& row : prompt.verdicts) bytes += dump_json(to_json(row)) + "\n";
  }
  return bytes;
}

}  // namespace thoughtrank
