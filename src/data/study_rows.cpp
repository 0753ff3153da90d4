#include "thoughtrank/data/study_rows.h"

#include <algorithm>

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

template <>
inline constexpr auto kFields<StudyEnding> =
    std::tuple{Field{"task", &StudyEnding::task, {.may_be_empty = false}},
               Field{"arm", &StudyEnding::arm, {.may_be_empty = false}},
               Field{"seed", &StudyEnding::seed, {.lowest = 0}},
               Field{"reason", &StudyEnding::reason}};

namespace {

Json variants_json(const std::vector<StudyDesign::Variant>& variants) {
  Json list = Json::array();
  for (const StudyDesign::Variant& variant : variants) {
    list.push_back({{"name", variant.name}, {"about", variant.about}});
    if (!variant.tasks.empty()) list.back()["tasks"] = variant.tasks;
  }
  return list;
}

std::vector<StudyDesign::Variant> variants_from(const Json& json,
                                                const char* key,
                                                const std::string& where) {
  const Json& list = require(json, key, where);
  if (!list.is_array() || list.empty()) {
    fail(ExitCode::kBadData, "{}: '{}' should be a list, not empty", where, key);
  }
  std::vector<StudyDesign::Variant> variants;
  for (const Json& entry : list) {
    variants.push_back({.name = require_string(entry, "name", where),
                        .about = require_string(entry, "about", where)});
    if (!entry.contains("tasks")) continue;
    for (const Json& task : entry.at("tasks")) {
      if (!task.is_string())
        fail(ExitCode::kBadData, "{}: 'tasks' of an arm should be names", where);
      variants.back().tasks.push_back(task.get<std::string>());
    }
  }
  return variants;
}

std::map<std::string, std::string> settings_from(const Json& json, const std::string& where) {
  std::map<std::string, std::string> settings;
  if (!json.contains("settings")) return settings;
  for (const auto& [name, digest] : json.at("settings").items()) {
    settings[name] = require_string(json.at("settings"), name.c_str(), where);
  }
  return settings;
}

}  // namespace

bool StudyDesign::Variant::works_on(const std::string& task) const {
  return tasks.empty() || std::find(tasks.begin(), tasks.end(), task) != tasks.end();
}

Json to_json(const StudyDesign& design) {
  return {{"tasks", variants_json(design.tasks)},
          {"arms", variants_json(design.arms)},
          {"seeds", design.seeds},
          {"rounds", design.rounds},
          {"settings", design.settings}};
}

StudyDesign study_design_from(const Json& json, const std::string& where) {
  return {.tasks = variants_from(json, "tasks", where),
          .arms = variants_from(json, "arms", where),
          .seeds = require_ints(json, "seeds", 0, INT64_MAX, where),
          .rounds = require_int(json, "rounds", 0, 99, where),
          .settings = settings_from(json, where)};
}

Json to_json(const StudyRow& row) { return write_row(row); }
Json to_json(const StudyEnding& row) { return write_row(row); }

template <>
StudyEnding from_json<StudyEnding>(const Json& json, const std::string& where) {
  return read_row<StudyEnding>(json, where);
}

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
