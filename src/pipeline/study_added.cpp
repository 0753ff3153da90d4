#include "pipeline/study_added.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {

namespace {

using RunName = std::tuple<std::string, std::string, int64_t>;  // task, arm, seed
template <class Row>
RunName name_of_run(const Row& row) {
  return {row.task, row.arm, row.seed};
}

std::string text_of(const RunName& name) {
  return fmt::format(
      "task {}, arm {}, seed {}", std::get<0>(name), std::get<1>(name), std::get<2>(name));
}

template <class Row>
std::vector<Row> rows_of(const std::vector<Row>& rows, const RunName& run) {
  std::vector<Row> found;
  for (const Row& row : rows) {
    if (name_of_run(row) == run) found.push_back(row);
  }
  return found;
}

template <class Row>
std::string bytes_of(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) text += dump_json(to_json(row)) + "\n";
  return text;
}

// One folder of results, whose runs may have ended or not.
struct ResultsFolder {
  explicit ResultsFolder(fs::path path) : folder(std::move(path)) {
    if (fs::exists(folder / kStudyResults)) rows = read_rows<StudyRow>(folder / kStudyResults);
    if (fs::exists(folder / kStudyEndings))
      endings = read_rows<StudyEnding>(folder / kStudyEndings);
  }

  // Runs that have their last round or ended before it.
  [[nodiscard]] std::set<RunName> ended(int64_t rounds) const {
    std::set<RunName> names;
    for (const StudyRow& row : rows) {
      if (row.round == rounds) names.insert(name_of_run(row));
    }
    for (const StudyEnding& ending : endings) names.insert(name_of_run(ending));
    return names;
  }

  fs::path folder;
  std::vector<StudyRow> rows;
  std::vector<StudyEnding> endings;
};

StudyDesign design_of(const fs::path& folder) {
  const fs::path file = folder / kStudyDesign;
  if (!fs::exists(file) || !fs::exists(folder / kStudyResults)) {
    fail(ExitCode::kMissingInput,
         "{}: no results of a study are there ({}, {}). --add takes the study_dir of another "
         "machine, or a copy of these files and {}",
         folder.string(),
         kStudyDesign,
         kStudyResults,
         kStudyEndings);
  }
  return study_design_from(parse_json(read_file(file), file.string()), file.string());
}

void require_same_settings(const StudyDesign& ours,
                           const StudyDesign& theirs,
                           const RunName& run,
                           const fs::path& from) {
  const std::string key = std::get<0>(run) + "/" + std::get<1>(run);
  const auto here = ours.settings.find(key), there = theirs.settings.find(key);
  if (theirs.rounds == ours.rounds && here != ours.settings.end() &&
      there != theirs.settings.end() && here->second == there->second) {
    return;
  }
  fail(
      ExitCode::kConfig,
      "{}: {} was measured there with other settings, prompts or examples ({}, {} rounds; here {}, "
      "{} rounds), so the two cannot be compared. Measure it with this study's files",
      from.string(),
      text_of(run),
      there == theirs.settings.end() ? "settings unknown" : there->second.substr(0, 12),
      theirs.rounds,
      here == ours.settings.end() ? "no such arm" : here->second.substr(0, 12),
      ours.rounds);
}

void require_new_here(const Study& study, const RunName& run, const fs::path& from) {
  const auto found = std::find_if(study.runs.begin(), study.runs.end(), [&](const StudyRun& own) {
    return name_of_run(own) == run;
  });
  if (found == study.runs.end()) {
    fail(ExitCode::kConfig,
         "{}: {} is no run of this study, whose seeds are 1 to {}",
         from.string(),
         text_of(run),
         study.design.seeds.back());
  }
  if (!is_begun(*found)) return;
  fail(ExitCode::kConfig,
       "{}: {} is begun here as well, in {}. Remove one of the two: machines differ in last bits, "
       "and a run counts once",
       from.string(),
       text_of(run),
       found->config.run_dir);
}

}  // namespace

AddedResults::AddedResults(const std::filesystem::path& study_folder) {
  ResultsFolder folder(study_folder / kStudyAdded);
  rows = std::move(folder.rows);
  endings = std::move(folder.endings);
}

bool AddedResults::has(const StudyRun& run) const {
  const auto is_of_run = [&](const auto& row) { return name_of_run(row) == name_of_run(run); };
  return std::any_of(rows.begin(), rows.end(), is_of_run) ||
         std::any_of(endings.begin(), endings.end(), is_of_run);
}

bool is_begun(const StudyRun& run) {
  return fs::exists(run.config.run_dir) && !fs::is_empty(run.config.run_dir);
}

void add_study_results(const Study& study, const std::filesystem::path& from) {
  const StudyDesign design = design_of(from);
  const ResultsFolder theirs(from);
  AddedResults added(study.folder);
  int64_t runs = 0;
  for (const RunName& run : theirs.ended(design.rounds)) {
    require_same_settings(study.design, design, run, from);
    require_new_here(study, run, from);
    const auto rows = rows_of(theirs.rows, run);
    const auto endings = rows_of(theirs.endings, run);
    const std::string before =
        bytes_of(rows_of(added.rows, run)) + bytes_of(rows_of(added.endings, run));
    if (!before.empty() && before != bytes_of(rows) + bytes_of(endings)) {
      fail(ExitCode::kBadData,
           "{}: {} was added before with other results. Remove {} and add again what is to count",
           from.string(),
           text_of(run),
           (study.folder / kStudyAdded).string());
    }
    if (!before.empty()) continue;
    added.rows.insert(added.rows.end(), rows.begin(), rows.end());
    added.endings.insert(added.endings.end(), endings.begin(), endings.end());
    ++runs;
  }
  const fs::path folder = study.folder / kStudyAdded;
  fs::create_directories(folder);
  publish_rows(folder / kStudyResults, added.rows);
  publish_rows(folder / kStudyEndings, added.endings);
  log_info("study: {} runs added from {}", runs, from.string());
}

}  // namespace thoughtrank
