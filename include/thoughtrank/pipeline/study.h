// `study`: runs that differ in one thing each, over the same prompts, seeds and budget, so that
// what a part of the recipe adds can be told from chance.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/data/study_rows.h"
#include "thoughtrank/pipeline/config.h"

namespace thoughtrank {

// A task or an arm: a name and the keys of the config that it sets.
struct StudyVariant {
  std::string name;
  std::string about;             // what it is, in words
  std::vector<std::string> set;  // "train.method=lora", as --set takes it
};

struct StudyArm : StudyVariant {
  std::vector<std::string> tasks;  // names of those it works on; empty: all
};

struct StudyConfig {
  std::string study_dir = "runs/study";
  std::string config;  // of the run that all arms share
  int64_t seeds = 3;
  ReferenceMatch match = ReferenceMatch::numeric;
  bool keep_weights = false;
  std::vector<StudyVariant> tasks;
  std::vector<StudyArm> arms;
  void visit(FieldVisitor& v);
};

// One run of a study.
struct StudyRun {
  std::string task;
  std::string arm;
  int64_t seed = 0;
  RunConfig config;
};

// A loaded study. Runs stand seed by seed, then task by task, the first arm before the others.
struct Study {
  std::filesystem::path folder;
  StudyDesign design;
  ReferenceMatch match = ReferenceMatch::numeric;
  std::vector<StudyRun> runs;
};

// Loads a study and the config of each of its runs. Error(kConfig) for every problem at once: names
// that are no names of folders or stand twice, runs whose config is wrong; Error(kConfig |
// kBadData) for a prompt whose answer cannot be compared with.
[[nodiscard]] Study load_study(const ConfigSource& source);

// Returns the runs of all seeds, or of one, without those whose results were added from elsewhere.
[[nodiscard]] std::vector<const StudyRun*> runs_to_do(const Study& study,
                                                      std::optional<int64_t> seed);

struct StudyOutcome {
  bool has_worked = false;  // false when all had been finished before
  int64_t ended_early = 0;  // runs of the seeds worked on that ended before their last round
};

// Works on runs_to_do(), in order, after a look at all of them: files that
// are missing, a judge's settings, weights that are gone (Error, naming the arm). What is finished,
// here or elsewhere, is skipped, what was begun goes on; round 1's branches and the anchors are
// taken from the first arm where an arm would generate and judge the same. After each run
// design.json, results.jsonl and endings.jsonl say what is there, then `after_run` is called. A run
// whose training ends for good, or whose judge its audit refuses, is told and left, so that the
// others go on; a judge that does not answer stops the study.
StudyOutcome run_study(const Study& study,
                       std::optional<int64_t> seed,
                       Clock& clock,
                       StopFlag& stop,
                       const std::function<void()>& after_run);

// Takes the results of a study's folder from another machine, or from an earlier one, over into
// this study's, where they count as its own. Error(kMissingInput) where there are none;
// Error(kConfig) where the same arm had other settings there, a seed is not one of this study, or a
// run is begun here as well; Error(kBadData) where it was added before with other results.
void add_study_results(const Study& study, const std::filesystem::path& from);

// Publishes design.json, results.jsonl and endings.jsonl of what has been measured so far.
void publish_study_results(const Study& study);

}  // namespace thoughtrank
