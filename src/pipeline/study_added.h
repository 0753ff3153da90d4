// Results of a study that were measured on another machine: STUDY/added/results.jsonl and
// endings.jsonl.
#pragma once

#include <filesystem>
#include <vector>

#include "thoughtrank/data/study_rows.h"
#include "thoughtrank/pipeline/study.h"

namespace thoughtrank {

struct AddedResults {
  explicit AddedResults(const std::filesystem::path& study_folder);  // empty where there are none
  // Says whether the run ended elsewhere, well or early.
  [[nodiscard]] bool has(const StudyRun& run) const;
  std::vector<StudyRow> rows;
  std::vector<StudyEnding> endings;
};

// Says whether the run has a folder here.
[[nodiscard]] bool is_begun(const StudyRun& run);

}  // namespace thoughtrank
