#include "pipeline/study_added.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/lock.h"
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

const std::string& settings_of(const StudyDesign& design, const RunName& run) {
  static const std::string kUnknown;
  const auto found = design.settings.find(std::get<0>(run) + "/" + std::get<1>(run));
  return found == design.settings.end() ? kUnknown : found->second;
}

bool is_same(const StudyDesign& ours, const StudyDesign& theirs, const RunName& run) {
  const std::string& settings = settings_of(ours, run);
  return !settings.empty() && settings == settings_of(theirs, run) && ours.rounds == theirs.rounds;
}

void require_same_settings(const StudyDesign& ours,
                           const StudyDesign& theirs,
                           const RunName& run,
                           const fs::path& from) {
  if (is_same(ours, theirs, run)) return;
  const auto shown = [](const std::string& settings) {
    return settings.empty() ? "unknown" : settings.substr(0, 12);
  };
  fail(ExitCode::kConfig,
       "{}: {} was measured there with other settings, rounds, model, prompts or examples ({}, {} "
       "rounds; here {}, {} rounds), so the two cannot be compared. Measure it with this study's "
       "files",
       from.string(),
       text_of(run),
       shown(settings_of(theirs, run)),
       theirs.rounds,
       shown(settings_of(ours, run)),
       ours.rounds);
}

template <class Row>
void append(std::vector<Row>& rows, const std::vector<Row>& more) {
  rows.insert(rows.end(), more.begin(), more.end());
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

AddedResults::AddedResults(const Study& study) {
  const fs::path path = study.folder / kStudyAdded;
  if (!fs::exists(path / kStudyDesign)) return;
  const ResultsFolder folder(path);
  const StudyDesign design = design_of(path);
  for (const RunName& run : folder.ended(design.rounds)) {
    if (is_same(study.design, design, run)) {
      append(rows, rows_of(folder.rows, run));
      append(endings, rows_of(folder.endings, run));
    } else {
      log_warning("study: {} was added with other settings than the study has now: not counted",
                  text_of(run));
    }
  }
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
  fs::create_directories(study.folder);
  const RunLock lock(study.folder);
  AddedResults added(study);
  const ResultsFolder own(study.folder);
  int64_t runs = 0;
  for (const RunName& run : theirs.ended(design.rounds)) {
    require_same_settings(study.design, design, run, from);
    const auto rows = rows_of(theirs.rows, run);
    const auto endings = rows_of(theirs.endings, run);
    if (!rows.empty() && bytes_of(rows) == bytes_of(rows_of(own.rows, run)))
      continue;  // came from here
    require_new_here(study, run, from);
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
    append(added.rows, rows);
    append(added.endings, endings);
    ++runs;
  }
  const fs::path folder = study.folder / kStudyAdded;
  fs::create_directories(folder);
  publish_file(folder / kStudyDesign, to_json(study.design).dump(2) + "\n");
  publish_rows(folder / kStudyResults, added.rows);
  publish_rows(folder / kStudyEndings, added.endings);
  log_info("study: {} runs added from {}", runs, from.string());
}

}  // namespace thoughtrank
