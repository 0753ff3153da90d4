// What a study leaves for its report: its design and one row for each measurement.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "thoughtrank/data/records.h"

namespace thoughtrank {

// Names of a study folder. A run of it lies in TASK/ARM-SEED.
inline constexpr const char* kStudyDesign = "design.json";
inline constexpr const char* kStudyResults = "results.jsonl";
inline constexpr const char* kStudyEndings = "endings.jsonl";
inline constexpr const char* kStudyAdded = "added";  // folder of results measured elsewhere

// design.json: what is compared.
struct StudyDesign {
  struct Variant {
    std::string name;
    std::string about;  // what it is, as a sentence names it; "" = its name says it
    std::vector<std::string> tasks = {};  // of an arm: those it works on; empty = all
    [[nodiscard]] bool works_on(const std::string& task) const;
  };
  std::vector<Variant> tasks;
  std::vector<Variant> arms;  // the first is what the others are compared with
  std::vector<int64_t> seeds;
  int64_t rounds = 0;
  // By "TASK/ARM": a digest of the settings and of the files that are asked from. Results of two
  // folders belong together where it is the same. Empty in a folder of an older version.
  std::map<std::string, std::string> settings = {};
};
[[nodiscard]] Json to_json(const StudyDesign& design);
// Error(kBadData) naming `where`.
[[nodiscard]] StudyDesign study_design_from(const Json& json, const std::string& where);

// results.jsonl: which held-out questions the weights of a round answer rightly.
struct StudyRow {
  std::string task;
  std::string arm;
  int64_t seed = 0;
  int64_t round = 0;
  // How they were asked. Round 0 has a row for each form, the others are asked without examples.
  AnswerForm form = AnswerForm::thought;
  std::vector<std::string> prompt_ids;
  std::vector<int64_t> right;  // 1 or 0 for each of them
  // Of the round's branches before its training; 0 where there are none or no answer is known.
  int64_t branches = 0;
  int64_t branches_right = 0;
};
[[nodiscard]] Json to_json(const StudyRow& row);
template <>
StudyRow from_json<StudyRow>(const Json& json, const std::string& where);

// endings.jsonl: runs that ended before their last round, at the latest start.
struct StudyEnding {
  std::string task;
  std::string arm;
  int64_t seed = 0;
  std::string reason;
};
[[nodiscard]] Json to_json(const StudyEnding& row);
template <>
StudyEnding from_json<StudyEnding>(const Json& json, const std::string& where);

}  // namespace thoughtrank
