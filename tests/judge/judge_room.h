// What the tests of the judge room share: prompts with answers, judges of them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "llm/llm_room.h"
#include "thoughtrank/judge/judge.h"
#include "thoughtrank/llm/channel.h"

namespace thoughtrank {

// An answer whose length grows with `branch`, with a thought that must not leak.
inline OutputRow output(const std::string& prompt_id, int64_t branch, const std::string& answer) {
  OutputRow row;
  row.prompt_id = prompt_id;
  row.branch = branch;
  row.char_ = "a";
  row.thought = "PLANTED-THOUGHT about " + std::to_string(branch);
  row.answer = answer;
  row.thought_end = ThoughtEnd::model;
  row.finish = Finish::eos;
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

class JudgeTest : public LlmTest {
 protected:
  [[nodiscard]] static JudgeOptions server_options(const std::string& base_url) {
    JudgeOptions options;
    options.first.kind = JudgeKind::openai;
    options.first.server = server_at(base_url);
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

  SelectOptions select_;
};

// A connection of one kind of server over a transport that is no network.
inline Connection connection_over(std::unique_ptr<Transport> transport,
                                  ServerKind kind = ServerKind::openai,
                                  const ServerOptions& options = {}) {
  Connection connection;
  connection.name = "test";
  connection.protocol = make_protocol(kind, options);
  connection.secret = std::make_shared<const Secret>();
  connection.transport = std::move(transport);
  return connection;
}

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
