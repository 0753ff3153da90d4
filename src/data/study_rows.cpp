#include "thoughtrank/data/study_rows.h"

#include "data/record_fields.h"

namespace thoughtrank {

template <>
inline constexpr auto kFields<StudyRow> =
    std::tuple{Field{"task", &StudyRow::task, {.may_be_empty = false}},
               Field{"arm", &StudyRow::arm, {.may_be_empty = false}},
               Field{"seed", &StudyRow::seed, {.lowest = 0}},
               Field{"round", &StudyRow::round, {.lowest = 0}},
               Field{"form", &StudyRow::form},
               Field{"prompt_ids", &StudyRow::prompt_ids},
               Field{"right", &StudyRow::right, {.lowest = 0, .highest = 1}},
               Field{"branches", &StudyRow::branches, {.lowest = 0}},
               Field{"branches_right", &StudyRow::branches_right, {.lowest = 0}}};

Json to_json(const StudyDesign& design) {
  Json arms = Json::array();
  for (const StudyDesign::Arm& arm : design.arms) {
    arms.push_back({{"name", arm.name}, {"about", arm.about}});
  }
  return {
      {"tasks", design.tasks}, {"arms", arms}, {"seeds", design.seeds}, {"rounds", design.rounds}};
}

StudyDesign study_design_from(const Json& json, const std::string& where) {
  const auto list = [&](const char* key) -> const Json& {
    const Json& found = require(json, key, where);
    if (!found.is_array()) fail(ExitCode::kBadData, "{}: '{}' should be a list", where, key);
    return found;
  };
  StudyDesign design;
  for (const Json& task : list("tasks")) {
    if (!task.is_string()) fail(ExitCode::kBadData, "{}: 'tasks' should hold names", where);
    design.tasks.push_back(task.get<std::string>());
  }
  for (const Json& arm : list("arms")) {
    design.arms.push_back(
        {.name = require_string(arm, "name", where), .about = require_string(arm, "about", where)});
  }
  design.seeds = require_ints(json, "seeds", 0, INT64_MAX, where);
  design.rounds = require_int(json, "rounds", 0, 99, where);
  return design;
}

Json to_json(const StudyRow& row) { return write_row(row); }

template <>
StudyRow from_json<StudyRow>(const Json& json, const std::string& where) {
  StudyRow row = read_row<StudyRow>(json, where);
  if (row.prompt_ids.size() != row.right.size()) {
    fail(ExitCode::kBadData,
         "{}: {} prompt_ids, but {} values of 'right'",
         where,
         row.prompt_ids.size(),
         row.right.size());
  }
  return row;
}

}  // namespace thoughtrank
