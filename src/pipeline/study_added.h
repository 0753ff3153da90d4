// Results of a study that were measured on another machine: STUDY/added/results.jsonl,
// endings.jsonl, and the design that they belong to.
#pragma once

#include <filesystem>
#include <vector>

#include "thoughtrank/data/study_rows.h"
#include "thoughtrank/pipeline/study.h"

namespace thoughtrank {

struct AddedResults {
  // Empty where there are none. What was measured with other settings, or for other rounds, than
  // the study has now does not count any more, and a warning says so.
  explicit AddedResults(const Study& study);
  // Says whether the run ended elsewhere, well or early.
  [[nodiscard]] bool has(const StudyRun& run) const;
  std::vector<StudyRow> rows;
  std::vector<StudyEnding> endings;
};

// Says whether the run has a folder here.
[[nodiscard]] bool is_begun(const StudyRun& run);

}  // namespace thoughtrank
