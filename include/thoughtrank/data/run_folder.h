// Names of everything in a run folder (`thoughtrank help run-folder` has the list). A name stands
// here and nowhere else; code says RoundFile::outputs.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>

#include "thoughtrank/core/error.h"
#include "thoughtrank/data/stage.h"

namespace thoughtrank {

// A file of round-NN/.
enum class RoundFile {
  prompts,
  outputs,
  verdicts,
  audit,
  thoughts,
  summary,
  preference_pairs,
  training_data,
  best_outputs,
  metrics,
  quarantine,
  eval,
  forms,
  tasks,
  timing,
};

struct RoundFileEntry {
  RoundFile file;
  const char* name;
  // The stage whose journal record holds the file's digest: it is finished only while the file is
  // what was published. Null for files that a stage may lack or that are written after it.
  std::optional<Stage> stage;
};

// In the order of the enum; the files of a stage in the order in which it publishes them.
inline constexpr std::array<RoundFileEntry, 15> kRoundFiles = {{
    {RoundFile::prompts, "prompts.jsonl", Stage::generate},
    {RoundFile::outputs, "outputs.jsonl", Stage::generate},
    {RoundFile::verdicts, "verdicts.jsonl", Stage::judge},
    {RoundFile::audit, "audit.json", Stage::judge},
    {RoundFile::thoughts, "thoughts.jsonl", Stage::judge},
    {RoundFile::summary, "summary.json", Stage::judge},
    {RoundFile::preference_pairs, "preference_pairs.jsonl", Stage::judge},
    {RoundFile::training_data, "training_data.jsonl", Stage::judge},
    {RoundFile::best_outputs, "best_outputs.jsonl", Stage::judge},
    {RoundFile::metrics, "metrics.jsonl", Stage::train},
    {RoundFile::quarantine, "quarantine.jsonl", std::nullopt},
    {RoundFile::eval, "eval.jsonl", Stage::evaluate},
    {RoundFile::forms, "forms.jsonl", std::nullopt},
    {RoundFile::tasks, "tasks.jsonl", std::nullopt},
    {RoundFile::timing, "timing.jsonl", std::nullopt},
}};

static_assert([] {
  for (size_t n = 0; n < kRoundFiles.size(); ++n) {
    if (static_cast<size_t>(kRoundFiles.at(n).file) != n) return false;
  }
  return true;
}());

[[nodiscard]] constexpr const char* file_name(RoundFile file) {
  return kRoundFiles.at(static_cast<size_t>(file)).name;
}

class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path root) : root_(std::move(root)) {}
  [[nodiscard]] const std::filesystem::path& root() const { return root_; }
  [[nodiscard]] std::filesystem::path journal() const { return root_ / kJournal; }
  [[nodiscard]] std::filesystem::path ledger() const { return root_ / "ledger.jsonl"; }
  // The config and machine of the first start.
  [[nodiscard]] std::filesystem::path frozen() const { return root_ / "run.json"; }
  [[nodiscard]] std::filesystem::path round(int64_t n) const {
    return root_ / fmt::format("round-{:02}", n);
  }
  [[nodiscard]] std::filesystem::path file(int64_t n, RoundFile file) const {
    return round(n) / file_name(file);
  }
  [[nodiscard]] std::filesystem::path checkpoint(int64_t n) const {
    return round(n) / "checkpoint";
  }

  // What an unfinished stage has done so far: branches, the worth of thoughts, held-out
  // generations, optimizer states.
  [[nodiscard]] std::filesystem::path work(int64_t n) const { return round(n) / ".work"; }
  [[nodiscard]] std::filesystem::path branches(int64_t n) const {
    return work(n) / "branches.jsonl";
  }
  [[nodiscard]] std::filesystem::path thoughts(int64_t n) const {
    return work(n) / "thoughts.jsonl";
  }
  [[nodiscard]] std::filesystem::path heldout(int64_t n) const { return work(n) / "heldout.jsonl"; }
  // Round 0 has a file for each form in which the untrained model answers: "direct".
  [[nodiscard]] std::filesystem::path heldout(const std::string& form) const {
    return work(0) / ("heldout-" + form + ".jsonl");
  }
  // Answers to a task's questions in one form.
  [[nodiscard]] std::filesystem::path task_answers(int64_t n,
                                                   const std::string& task,
                                                   const std::string& form) const {
    return work(n) / fmt::format("task-{}-{}.jsonl", task, form);
  }
  [[nodiscard]] std::filesystem::path training(int64_t n) const { return work(n) / "train"; }

  static constexpr const char* kJournal = "journal.jsonl";

 private:
  std::filesystem::path root_;
};

}  // namespace thoughtrank
