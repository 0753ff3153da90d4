#include "pipeline/freeze.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <vector>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/pipeline/version.h"

namespace thoughtrank {

namespace {

Json frozen_record(const RunConfig& config,
                   const ComputeSetup& compute,
                   const RunIdentity& identity,
                   const std::string& utc_time) {
  Json record = {{"format", 1},
                 {"version", kVersion},
                 {"started", utc_time},
                 {"config", config_to_json(config)},
                 {"frozen",
                  {{"device", compute.device},
                   {"dtype", word_of(compute.dtype)},
                   {"train_dtype", word_of(compute.train_dtype)},
                   {"threads", compute.threads},
                   {"instruction_set", name_of(compute.instruction_set)},
                   {"optimizer_state", word_of(compute.optimizer_state)}}},
                 {"sha256",
                  {{"model", identity.model_sha256},
                   {"prompts", identity.prompts_sha256},
                   {"template", identity.template_sha256},
                   {"texts", identity.texts_sha256}}}};
  // Runs without such files are frozen as they were before there was a key for them.
  if (!identity.replay_sha256.empty()) record["sha256"]["replay"] = identity.replay_sha256;
  if (!identity.examples_sha256.empty()) record["sha256"]["examples"] = identity.examples_sha256;
  if (!identity.tasks_sha256.empty()) record["sha256"]["tasks"] = identity.tasks_sha256;
  return record;
}

template <class Enum, size_t N>
Enum enum_of(const std::string& word,
             const EnumWords<Enum, N>& words,
             const char* key,
             const std::string& where) {
  const std::optional<Enum> value = value_of(word, words);
  if (!value) {
    fail(ExitCode::kBadData,
         "{}: frozen.{} is '{}', which this version does not know",
         where,
         key,
         word);
  }
  return *value;
}

// Runs that began before there was a key for it have the fastest one without matrix tiles.
InstructionSet earlier_instruction_set() {
  const InstructionSet now = resolve_instruction_set("auto");
  if (now != InstructionSet::amx) return now;
  return is_supported(InstructionSet::avx512_bf16) && !__builtin_cpu_is("intel")
             ? InstructionSet::avx512_bf16
             : InstructionSet::avx512;
}

// The set that the run's bits are of. Throws Error(kConfig) where this machine lacks it and nobody
// asked for another.
InstructionSet frozen_instruction_set(const Json& frozen,
                                      const RunConfig& config,
                                      const ComputeSetup& compute,
                                      const std::string& where) {
  const std::string name = frozen_set_name(frozen);
  const std::optional<InstructionSet> set = find_instruction_set(name);
  if (set == compute.instruction_set || compute.device != "cpu") return compute.instruction_set;
  if (config.instruction_set != "auto") {
    log_warning(
        "instruction_set: {} from here on, {} until now: what is computed anew may differ in its "
        "last bits from what the run would have given there",
        config.instruction_set,
        name);
    return compute.instruction_set;
  }
  if (set && is_supported(*set) && may_use(*set)) {
    log_info("instruction_set: {} as at the first start of this run", name);
    return *set;
  }
  fail(
      ExitCode::kConfig,
      "{}: the run was started with the instruction set {}, which this process does not have{}. Go "
      "on where it is, or with other last bits: --set instruction_set={}",
      where,
      name,
      set == InstructionSet::amx && !problem_with_tiles().empty()
          ? fmt::format(" ({})", problem_with_tiles())
          : "",
      name_of(compute.instruction_set));
}

ComputeSetup frozen_compute(const Json& record,
                            const RunConfig& config,
                            const ComputeSetup& compute,
                            const std::string& where) {
  const Json& frozen = require(record, "frozen", where);
  const auto dtype = [&](const char* key) {
    return enum_of(require_string(frozen, key, where), kDtypes, key, where);
  };
  // Runs that began before the key was there have float32.
  const std::string state = frozen.value("optimizer_state", word_of(OptimizerState::float32));
  return {.device = require_string(frozen, "device", where),
          .dtype = dtype("dtype"),
          .train_dtype = dtype("train_dtype"),
          .threads = require_int(frozen, "threads", 1, 1024, where),
          .instruction_set = frozen_instruction_set(frozen, config, compute, where),
          .optimizer_state = enum_of(state, kOptimizerStates, "optimizer_state", where)};
}

// Where "config.judge.max_usd" stands in run.json.
Json::json_pointer place_of(std::string dotted_key) {
  std::replace(dotted_key.begin(), dotted_key.end(), '.', '/');
  return Json::json_pointer("/" + dotted_key);
}

// Its value; null where the file was written without such a key.
Json value_at(const Json& record, const std::string& dotted_key) {
  const Json::json_pointer place = place_of(dotted_key);
  return record.contains(place) ? record.at(place) : Json();
}

// Keys whose values are files: what a run reads of them is compared by its digest, and a program
// counts by its name, as in the ledger.
bool is_place(const std::string& key) {
  constexpr std::array<const char*, 5> kPlaces = {
      "template", "rubric", "command", "ca_file", "api_key_file"};
  const std::string last = key.substr(key.rfind('.') + 1);
  return std::find(kPlaces.begin(), kPlaces.end(), last) != kPlaces.end();
}

// The value with a file's name instead of its absolute path: a tree may be moved, or be reached by
// another path.
Json without_folders(const std::string& key, const Json& value) {
  if (value.is_string()) {
    const fs::path path = value.get<std::string>();
    const bool is_path = is_place(key) && path.is_absolute() && path.has_filename();
    return is_path ? Json(path.filename().string()) : value;
  }
  Json copy = value;
  if (value.is_object()) {
    for (auto& [name, part] : copy.items()) part = without_folders(name, part);
  } else if (value.is_array()) {
    for (Json& part : copy) part = without_folders(key, part);
  }
  return copy;
}

// Rounds may be added to a run, and rows may turn out longer than was thought.
constexpr std::array<const char*, 2> kMayBeRaised = {"rounds", "train.sequence_length"};
bool may_be_raised(const std::string& key) {
  return std::find(kMayBeRaised.begin(), kMayBeRaised.end(), key) != kMayBeRaised.end();
}

// Keys and groups that came after the first runs: a record without one has its default.
constexpr std::array<std::string_view, 9> kCameLater = {"prompts.examples",
                                                        "branches.samples_per_char",
                                                        "generate.temperature",
                                                        "generate.top_p",
                                                        "train.rows",
                                                        "train.replay",
                                                        "train.anchor",
                                                        "select.control",
                                                        "evaluate.tasks"};
bool came_later(std::string_view key) {
  return std::any_of(kCameLater.begin(), kCameLater.end(), [&](std::string_view later) {
    return key == later || (key.starts_with(later) && key[later.size()] == '.');
  });
}

// What is asked, by the tasks' names: files count by their digests, what a gate allows does not.
Json tasks_by_name(const Json& tasks) {
  Json by_name = Json::object();
  for (Json task : tasks) {
    const std::string name = task.value("name", "");
    for (const char* key : {"name", "path", "examples", "max_fall"}) task.erase(key);
    by_name[name] = task;
  }
  return by_name;
}

// Null of a run that began before its tasks' digests were written.
Json digest_of_task(const Json& run_json, const std::string& name) {
  const Json::json_pointer place("/sha256/tasks");
  return run_json.contains(place) ? run_json.at(place).value(name, Json()) : Json();
}

// One line per key that differs and may not, by name.
std::vector<std::string> differences(const Json& before,
                                     const Json& now,
                                     RunConfig config,
                                     const RunIdentity& identity) {
  std::map<std::string, std::string> lines;
  const Json defaults = {{"config", config_to_json({})}};
  const auto compare = [&](const std::string& key, const std::string& place) {
    const bool has_default = came_later(key) && !before.contains(place_of(place));
    const Json old_value = value_at(has_default ? defaults : before, place);
    const Json value = value_at(now, place);
    const bool is_longer = may_be_raised(key) && value > old_value;
    if (key == "evaluate.tasks" && tasks_by_name(old_value) == tasks_by_name(value)) return;
    if (without_folders(key, old_value) == without_folders(key, value) || is_longer) return;
    lines[key] = fmt::format("  {}: {} -> {}", key, dump_json(old_value), dump_json(value));
    if (key == "select.max_regret") {
      lines[key] += " (a share of the best answer's lead; when finals were 5 it was in sigma)";
    }
  };
  for (const ConfigOrigin& field : list_fields({}, [&](FieldVisitor& v) { config.visit(v); })) {
    if (!field.may_change) compare(field.key, "config." + field.key);
  }
  for (const auto& [name, digest] : now.at("sha256").items()) {
    const bool is_as_earlier = name == "texts" && !identity.earlier_texts_sha256.empty() &&
                               value_at(before, "sha256.texts") == identity.earlier_texts_sha256;
    const bool is_unknown = name == "tasks" && value_at(before, "sha256.tasks").is_null();
    if (!is_as_earlier && !is_unknown) compare("sha256." + name, "sha256." + name);
  }
  compare("sha256.replay", "sha256.replay");  // either record may be without
  compare("sha256.examples", "sha256.examples");
  compare("version", "version");
  std::vector<std::string> sorted;
  for (const auto& [key, line] : lines) sorted.push_back(line);
  return sorted;
}

}  // namespace

ComputeSetup freeze_or_check(const std::filesystem::path& run_json,
                             const RunConfig& config,
                             const ComputeSetup& compute,
                             const RunIdentity& identity,
                             const std::string& utc_time) {
  const Json now = frozen_record(config, compute, identity, utc_time);
  if (!fs::exists(run_json)) {
    publish_file(run_json, now.dump(2) + "\n");
    return compute;
  }
  const std::string where = run_json.string();
  const Json before = parse_json(read_file(run_json), where);
  for (const char* key : {"config", "sha256", "version"}) (void)require(before, key, where);
  const auto lines = differences(before, now, config, identity);
  if (!lines.empty()) {
    std::string diff;
    for (const std::string& line : lines) diff += "\n" + line;
    fail(
        ExitCode::kConfig,
        "{0} was started with other values:{1}\nPut them back, or start a new run folder with "
        "another run_dir; --fork-from {0} --round N takes its rounds before N over "
        "(rounds and train.sequence_length may go up; paths, keys, caps and time-outs may change).",
        run_json.parent_path().string(),
        diff);
  }
  // So that a third start may not go back below what the second one has begun.
  Json raised = before;
  for (const std::string key : kMayBeRaised) {
    if (const Json value = value_at(now, "config." + key);
        value != value_at(before, "config." + key)) {
      raised[place_of("config." + key)] = value;
    }
  }
  ComputeSetup frozen = frozen_compute(before, config, compute, where);
  raised["frozen"]["instruction_set"] = name_of(frozen.instruction_set);
  if (raised != before) publish_file(run_json, raised.dump(2) + "\n");
  if (frozen.threads != compute.threads) {
    log_info("threads: {} as at the first start of this run", frozen.threads);
  }
  return frozen;
}

Json tasks_sha256(const RunConfig& config) {
  Json digests = Json::object();
  for (const TaskOptions& task : config.evaluate.tasks) {
    digests[task.name] =
        sha256_file(task.path) + (task.examples.empty() ? "" : "+" + sha256_file(task.examples));
  }
  return digests;
}

bool asks_alike(const Json& run_json, const RunConfig& config, const std::string& task) {
  const Json then = value_at(run_json, "config.evaluate.tasks");
  const Json now = value_at({{"config", config_to_json(config)}}, "config.evaluate.tasks");
  const Json digest = digest_of_task(run_json, task);
  return tasks_by_name(then).value(task, Json()) == tasks_by_name(now).value(task, Json()) &&
         (digest.is_null() || digest == tasks_sha256(config).value(task, Json()));
}

bool asks_tasks_alike(const Json& run_json, const RunConfig& config) {
  const Json then = value_at(run_json, "config.evaluate.tasks");
  const auto& tasks = config.evaluate.tasks;
  return (then.is_null() ? 0 : then.size()) == tasks.size() &&
         std::all_of(tasks.begin(), tasks.end(), [&](const TaskOptions& task) {
           return asks_alike(run_json, config, task.name);
         });
}

bool judges_alike(const Json& run_json, RunConfig config) {
  const Json now = {{"config", config_to_json(config)}},
             defaults = {{"config", config_to_json({})}};
  const auto fields = list_fields({}, [&](FieldVisitor& v) { config.visit(v); });
  return std::all_of(fields.begin(), fields.end(), [&](const ConfigOrigin& field) {
    if (field.may_change || !field.key.starts_with("judge.")) return true;
    const std::string place = "config." + field.key;
    const Json then = value_at(run_json.contains(place_of(place)) ? run_json : defaults, place);
    return without_folders(field.key, then) == without_folders(field.key, value_at(now, place));
  });
}

std::string frozen_set_name(const Json& frozen) {
  return frozen.value("instruction_set", std::string(name_of(earlier_instruction_set())));
}

void require_fork_keeps(const std::filesystem::path& run_json, const RunConfig& config) {
  const std::string where = run_json.string();
  const Json before = parse_json(read_file(run_json), where);
  const Json& old_config = require(before, "config", where);
  const Json& digests = require(before, "sha256", where);
  const Json now = config_to_json(config);
  std::string diff;
  const auto compare = [&](const std::string& name, const Json& old_value, const Json& value) {
    if (old_value != value) {
      diff += fmt::format("\n  {}: {} -> {}", name, dump_json(old_value), dump_json(value));
    }
  };
  for (const char* key : {"seed", "template"}) compare(key, old_config.at(key), now.at(key));
  for (const char* key : {"per_round", "holdout"}) {
    const std::string name = std::string("prompts.") + key;
    compare(name, old_config.at("prompts").at(key), now.at("prompts").at(key));
  }
  compare("the model's weights", digests.at("model"), weights_sha256(config.model.path));
  compare("the prompts' file", digests.at("prompts"), sha256_file(config.prompts.path));
  if (diff.empty()) return;
  fail(ExitCode::kConfig,
       "a fork of {} cannot change what its finished rounds stand on:{}\nPut them back, or start "
       "anew without --fork-from",
       run_json.parent_path().string(),
       diff);
}

}  // namespace thoughtrank
