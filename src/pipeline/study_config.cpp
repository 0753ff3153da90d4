// study.yaml, and the configs of the runs that it describes.
#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "thoughtrank/core/hash.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/pipeline/study.h"

namespace thoughtrank {

namespace {

void visit_variant(StudyVariant& variant, FieldVisitor& v) {
  v.text("name", variant.name, "of a folder, of a row of the table");
  v.text("about", variant.about, "what it is, as a sentence names it: a random winner");
  v.texts("set", variant.set, "keys of the config with their values, as --set takes them");
}

void visit_arm(StudyArm& arm, FieldVisitor& v) {
  visit_variant(arm, v);
  v.texts("tasks", arm.tasks, "names of the tasks it works on; empty = all");
}

// Problems of the study and its runs, a line each.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}
  void need(bool holds, const std::string& problem) {
    if (!holds) lines_.push_back(file_.empty() ? problem : file_ + ": " + problem);
  }
  // Runs of an arm, and often all runs, have the same problem.
  void add(const std::string& task, const std::string& arm, const std::string& problem) {
    runs_[problem].insert(fmt::format("task {}, arm {}", task, arm));
  }
  void throw_if_any() const {
    std::string text;
    const auto add_line = [&](const std::string& line) {
      text += (text.empty() ? "" : "\n") + line;
    };
    for (const std::string& line : lines_) add_line(line);
    for (const auto& [problem, runs] : runs_) {
      const std::string others =
          runs.size() < 2 ? "" : fmt::format(" and {} others", runs.size() - 1);
      add_line(fmt::format("{}{}: {}", *runs.begin(), others, problem));
    }
    if (!text.empty()) throw Error(ExitCode::kConfig, text);
  }

 private:
  std::string file_;
  std::vector<std::string> lines_;
  std::map<std::string, std::set<std::string>> runs_;  // by problem
};

template <class Variant>
void check_names(Problems& problems, const char* key, const std::vector<Variant>& variants) {
  const std::regex allowed("[A-Za-z0-9_]{1,40}");
  std::set<std::string> names;
  problems.need(!variants.empty(), fmt::format("'{}' is missing: a list of name and set", key));
  for (const Variant& variant : variants) {
    problems.need(
        std::regex_match(variant.name, allowed),
        fmt::format("'{}': a name should be letters, digits and _, found '{}'", key, variant.name));
    problems.need(names.insert(variant.name).second,
                  fmt::format("'{}': the name '{}' stands twice", key, variant.name));
    problems.need(variant.about.find('\n') == std::string::npos,
                  fmt::format("'{}', {}: 'about' should be one line", key, variant.name));
  }
}

// Every arm is compared with the first one.
void check_tasks_of_arms(Problems& problems, const StudyConfig& config) {
  const auto has_task = [&](const std::string& name) {
    return std::any_of(config.tasks.begin(), config.tasks.end(), [&](const StudyVariant& task) {
      return task.name == name;
    });
  };
  for (const StudyArm& arm : config.arms) {
    for (const std::string& task : arm.tasks) {
      problems.need(has_task(task),
                    fmt::format("'arms', {}: 'tasks' has '{}', which is no task", arm.name, task));
    }
  }
  problems.need(
      config.arms.empty() || config.arms.front().tasks.empty(),
      "'arms': the first arm should have no 'tasks': on each task the others are compared "
      "with it");
}

// The value without the folders of the paths in it, which differ from machine to machine.
Json without_folders(const Json& value) {
  if (value.is_string()) {
    const fs::path path = value.get<std::string>();
    return path.is_absolute() ? Json(path.filename().string()) : value;
  }
  Json copy = value;
  if (value.is_structured()) {
    for (auto& part : copy) part = without_folders(part);
  }
  return copy;
}

// Which model it is, without reading all of its weights: names, sizes and 64 samples of each file
// of weights, and the small files whole.
Json model_fingerprint(const fs::path& folder) {
  constexpr uint64_t kSamples = 64, kSampleBytes = 4096;
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const std::string kind = entry.path().extension().string();
    if (kind == ".json") files[name] = sha256_file(entry.path());
    if (kind != ".safetensors") continue;
    const uint64_t size = entry.file_size();
    std::ifstream file(entry.path(), std::ios::binary);
    std::string samples = std::to_string(size);
    for (uint64_t n = 0; n < kSamples; ++n) {
      std::string sample(kSampleBytes, '\0');
      file.clear();
      file.seekg(static_cast<std::streamoff>(n * (size / kSamples)));
      file.read(sample.data(), static_cast<std::streamsize>(kSampleBytes));
      samples += sample;
    }
    files[name] = sha256(samples);
  }
  return files;
}

// Files that decide what is asked and judged.
std::vector<std::string> files_of(const RunConfig& config) {
  std::vector<std::string> files = {config.prompts.path,
                                    config.prompts.examples.path,
                                    config.train.replay.path,
                                    config.chat_template};
  for (const JudgeServer& judge : all_judges(config.judge)) files.push_back(judge.rubric);
  for (const TaskOptions& task : config.evaluate.tasks) {
    files.insert(files.end(), {task.path, task.examples});
  }
  return files;
}

std::string settings_digest(const StudyRun& run, ReferenceMatch match, const Json& model) {
  RunConfig config = run.config;
  config.run_dir.clear();
  config.seed -= run.seed - 1;
  Json settings = {{"match", word_of(match, kReferenceMatches)},
                   {"model", model},
                   {"drop_repeats", config.prompts.drop_repeats},
                   {"files", Json::array()}};
  const Json values = config_to_json(config);
  for (const ConfigOrigin& field : list_fields({}, [&](FieldVisitor& v) { config.visit(v); })) {
    if (field.may_change) continue;
    std::string place = "/" + field.key;
    std::replace(place.begin(), place.end(), '.', '/');
    settings[field.key] = without_folders(values.at(Json::json_pointer(place)));
  }
  for (const std::string& file : files_of(config)) {
    const bool is_there = !file.empty() && fs::is_regular_file(file);
    settings["files"].push_back(is_there ? sha256_file(file) : "");
  }
  return sha256(dump_json(settings));
}

StudyRun make_run(const StudyConfig& study,
                  const std::string& folder,
                  const StudyVariant& task,
                  const StudyVariant& arm,
                  int64_t seed) {
  ConfigSource source{.file = study.config, .sets = task.set, .sets_folder = folder};
  source.sets.insert(source.sets.end(), arm.set.begin(), arm.set.end());
  RunConfig config = load_config(source);
  if (config.seed > INT64_MAX - seed) {
    fail(ExitCode::kConfig, "'seed' is {}: the seeds of a study go up from it", config.seed);
  }
  config.seed += seed - 1;
  if (!study.keep_weights) config.checkpoint.keep = 0;
  config.run_dir =
      (fs::path(study.study_dir) / task.name / fmt::format("{}-{}", arm.name, seed)).string();
  return {.task = task.name, .arm = arm.name, .seed = seed, .config = std::move(config)};
}

// Runs are compared question by question.
void check_run(const StudyRun& run, const Study& study, Problems& problems) {
  if (run.config.rounds != study.design.rounds || run.config.prompts.holdout == 0) {
    problems.add(run.task, run.arm, "all runs should have the same 'rounds', and held-out prompts");
  }
  const StudyRun& first =
      *std::find_if(study.runs.begin(), study.runs.end(), [&](const StudyRun& other) {
        return other.task == run.task && other.seed == run.seed;
      });
  const auto same = [&](const char* key, const auto& value, const auto& of_first) {
    if (value == of_first) return;
    problems.add(run.task,
                 run.arm,
                 fmt::format("'{}' differs from that of arm {}: arms of a task should be asked the "
                             "same questions. Set it in the config or the task",
                             key,
                             first.arm));
  };
  same("seed", run.config.seed, first.config.seed);
  same("prompts.path", run.config.prompts.path, first.config.prompts.path);
  same("prompts.holdout", run.config.prompts.holdout, first.config.prompts.holdout);
}

// What is measured must be measurable, whatever judges the arms have.
void require_answers(const Study& study) {
  std::set<std::string> seen;
  for (const StudyRun& run : study.runs) {
    const PromptOptions& prompts = run.config.prompts;
    if (!seen.insert(prompts.path).second) continue;
    for (const PromptRow& row : read_prompt_file(prompts.path, prompts.drop_repeats)) {
      require_reference(row, study.match, prompts.path);
    }
  }
}

}  // namespace

void StudyConfig::visit(FieldVisitor& v) {
  v.path("study_dir", study_dir, "where the runs and the results live; the same folder resumes it");
  v.path("config", config, "the config (round.yaml) that all runs share");
  v.integer("seeds",
            seeds,
            {1, 99},
            "runs of each arm on each task: the config's seed and those after it");
  v.choice("match",
           match,
           kReferenceMatches,
           "how a held-out answer is compared with the prompt's own, whatever judge an arm has");
  v.boolean("keep_weights",
            keep_weights,
            "false: weights are removed once they are measured; true: as checkpoint.keep says");
  v.groups("tasks", tasks, visit_variant, "what is asked: prompts, and whatever else they need");
  v.groups("arms",
           arms,
           visit_arm,
           "what is compared; the first arm is the recipe, the others are compared with it");
}

Study load_study(const ConfigSource& source) {
  StudyConfig config;
  load_fields(source, [&](FieldVisitor& v) { config.visit(v); });
  Problems problems(source.file);
  problems.need(!config.config.empty(), "'config' is missing: the config that all runs share");
  problems.need(!config.study_dir.empty(), "'study_dir' is empty: where the runs are to live");
  check_names(problems, "tasks", config.tasks);
  check_names(problems, "arms", config.arms);
  check_tasks_of_arms(problems, config);
  problems.throw_if_any();

  const std::string folder = fs::absolute(source.file).parent_path().string();
  Study study{.folder = config.study_dir, .design = {}, .match = config.match, .runs = {}};
  for (const StudyVariant& task : config.tasks)
    study.design.tasks.push_back({task.name, task.about});
  for (const StudyArm& arm : config.arms) {
    study.design.arms.push_back({arm.name, arm.about, arm.tasks});
  }
  for (int64_t seed = 1; seed <= config.seeds; ++seed) {
    study.design.seeds.push_back(seed);
    for (const StudyVariant& task : config.tasks) {
      for (size_t a = 0; a < config.arms.size(); ++a) {
        if (!study.design.arms[a].works_on(task.name)) continue;
        try {
          study.runs.push_back(make_run(config, folder, task, config.arms[a], seed));
        } catch (const Error& error) {
          problems.add(task.name, config.arms[a].name, error.what());
        }
      }
    }
  }
  problems.throw_if_any();
  study.design.rounds = study.runs.front().config.rounds;
  for (const StudyRun& run : study.runs) check_run(run, study, problems);
  problems.throw_if_any();
  require_answers(study);
  std::map<std::string, Json> models;  // by folder
  for (const StudyRun& run : study.runs) {
    const fs::path model = run.config.model.path;
    const auto [known, is_new] = models.try_emplace(model.string());
    if (is_new && fs::is_directory(model)) known->second = model_fingerprint(model);
    std::string& digest = study.design.settings[run.task + "/" + run.arm];
    if (digest.empty()) digest = settings_digest(run, study.match, known->second);
  }
  return study;
}

}  // namespace thoughtrank
