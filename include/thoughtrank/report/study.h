// What a study found: accuracy by arm and round with intervals, differences between arms,
// sentences, plots. Reads the files that the study leaves after each run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/data/study_rows.h"

namespace thoughtrank {

// A mean over seeds and questions with its 95 % interval, in percentage points.
struct StudyMean {
  double value = 0;
  double low = 0, high = 0;
  int64_t seeds = 0;
  int64_t questions = 0;  // distinct ones of all seeds together
  // The interval does not hold zero.
  [[nodiscard]] bool is_clear() const { return low > 0 || high < 0; }
};

// What the values of a mean are, with their bounds: right (0 or 1), or a difference of two of
// these.
enum class Measure : uint8_t { accuracy, difference };

// Values by question, of one seed.
using SeedValues = std::map<std::string, double>;

// The mean over the seeds' means. Its interval is the hull of two. One is over the questions:
// each is a cluster of its values in all seeds, since seeds may ask the same; as Agresti and Coull
// (1998) for an accuracy, Agresti and Min (2005) for a difference, a few questions of every outcome
// are added, so that no interval has no width. The other, with two seeds and more, is Student's t
// over the seeds' means, which knows how runs differ. nullopt where there is nothing.
[[nodiscard]] std::optional<StudyMean> study_mean(const std::vector<SeedValues>& seeds,
                                                  Measure measure);

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
  // The arm's gain over its own round 0 asked alike, as a share of the first arm's, over the seeds
  // and questions of both.
  std::optional<double> share_of_gain;
  int64_t seeds = 0;                 // that have its last round
  std::vector<std::string> endings;  // of the others: "seed 2 ended in round 3: why"
};

struct TaskResult {
  std::string task;
  std::string about;
  int64_t heldout = 0;                       // questions of a seed
  int64_t questions = 0;                     // distinct ones of all seeds
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
