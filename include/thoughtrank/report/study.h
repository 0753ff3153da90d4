// What a study found: accuracy by arm and round with intervals, differences between arms,
// sentences, plots. Reads the files that the study leaves after each run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/data/study_rows.h"

namespace thoughtrank {

// A mean over seeds and prompts with its 95 % interval, in percentage points.
struct StudyMean {
  double value = 0;
  double half_width = 0;
  int64_t seeds = 0;
  int64_t prompts = 0;  // of all seeds together
  // The interval does not hold zero.
  [[nodiscard]] bool is_clear() const { return value - half_width > 0 || value + half_width < 0; }
};

// Mean of values[seed][prompt], in hundredths: the mean over the seeds' means. Half the width is
// the larger of two: Student's t over the seeds' means, which knows how runs differ, and the normal
// one over the prompts within the seeds, which few seeds that agree by chance cannot make narrower.
// One seed has only the second. nullopt where there is nothing.
[[nodiscard]] std::optional<StudyMean> study_mean(const std::vector<std::vector<double>>& values);

// The columns of an arm on a task: index n is round n.
struct ArmResult {
  std::string arm;
  std::string about;
  std::vector<std::optional<StudyMean>> accuracy;     // without examples, a thought forced
  std::vector<std::optional<double>> right_branches;  // percent, index 0 unused
  // Against the first arm, over the seeds and prompts of both.
  std::optional<StudyMean> last_minus_first_arm;
  std::optional<StudyMean> mean_minus_first_arm;  // mean over the rounds
  // Against the untrained model's best form, and the arm's own best round.
  std::optional<StudyMean> last_minus_untrained;
  std::optional<StudyMean> last_minus_best_round;
  int64_t best_round = 0;
  // The arm's gain over the untrained model asked alike, as a share of the first arm's.
  std::optional<double> share_of_gain;
};

struct TaskResult {
  std::string task;
  std::string about;
  int64_t heldout = 0;                       // questions of a seed
  int64_t seeds = 0;                         // of which there is something
  std::optional<AnswerForm> untrained_form;  // the untrained model's best
  std::optional<StudyMean> untrained;        // its accuracy in that form
  std::optional<StudyMean> untrained_alike;  // asked as the trained model is
  std::vector<ArmResult> arms;
};

struct StudyReport {
  StudyDesign design;
  std::vector<TaskResult> tasks;
};

// Error(kMissingInput) where the folder holds no study.
[[nodiscard]] StudyReport read_study(const std::filesystem::path& folder);

// Tables and sentences, as Markdown that reads well in a terminal.
[[nodiscard]] std::string format_study(const StudyReport& report);
[[nodiscard]] Json to_json(const StudyReport& report);
// Accuracy by round as an SVG file: a line with its band for each arm.
[[nodiscard]] std::string study_chart(const TaskResult& task);

// Writes study.json, study.md and TASK.svg into the folder of the study.
void publish_study_report(const std::filesystem::path& folder, const StudyReport& report);

}  // namespace thoughtrank
