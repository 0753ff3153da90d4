// doctor: is this machine ready? One line per thing, with the mend.
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/headeronly/version.h>

#include <chrono>
#include <ctime>
#include <optional>

#include "app/command.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/processors.h"
#include "thoughtrank/llm/price.h"
#include "thoughtrank/model/compute.h"
#include "thoughtrank/model/llama.h"
#include "thoughtrank/pipeline/model_setup.h"
#include "thoughtrank/pipeline/plan.h"

namespace thoughtrank {

namespace {

struct DoctorOptions {
  std::string model;
};

// Prints a line for each check and remembers whether one failed.
class Report {
 public:
  void ok(const std::string& what, const std::string& found) {
    print(fmt::format("ok    {:<11}{}\n", what, found));
  }
  void warn(const std::string& what, const std::string& found) {
    print(fmt::format("warn  {:<11}{}\n", what, found));
  }
  void fail_line(const std::string& what, const std::string& problem) {
    print(fmt::format("FAIL  {:<11}{}\n", what, problem));
    ++failures_;
  }
  // `check` returns what was found, or throws what is wrong.
  void check(const std::string& what, const std::function<std::string()>& check) {
    try {
      ok(what, check());
    } catch (const std::exception& error) {
      fail_line(what, error.what());
    }
  }
  [[nodiscard]] int failures() const { return failures_; }

 private:
  int failures_ = 0;
};

std::string describe_processor() {
  const InstructionSet set = instruction_set();
  const std::string problem = problem_with_tiles();
  return fmt::format("{} threads, instruction set {}{}, bfloat16 {}{}",
                     usable_processors(),
                     name_of(set),
                     set == InstructionSet::portable ? " (no AVX2: slow)" : "",
                     has_fast_bfloat16() ? "in hardware" : "not in hardware (float32 is used)",
                     problem.empty() ? "" : "; no matrix tiles: " + problem);
}

std::string check_operators() {
  for (const char* name :
       {"aten::scaled_dot_product_attention", "aten::linear", "aten::rms_norm"}) {
    if (!c10::Dispatcher::singleton().findSchema({name, ""}).has_value()) {
      fail(ExitCode::kConfig,
           "libtorch has no {}: run scripts/setup.sh to install the pinned version",
           name);
    }
  }
  return fmt::format(
      "libtorch {}.{}.{}", TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR, TORCH_VERSION_PATCH);
}

std::string check_clock() {
  using namespace std::chrono;
  const auto today = year_month_day(floor<days>(system_clock::now()));
  if (today.year() < year(2025)) {
    fail(ExitCode::kConfig,
         "the clock says {}: set it, certificates are checked against it",
         static_cast<int>(today.year()));
  }
  return "set";
}

std::string check_round_trip(const ModelTexts& texts) {
  const std::string text = "Grüße, 世界! <thought>T 12345\n\n  🙂";
  const std::string back =
      texts.tokenizer->decode(texts.tokenizer->encode(text), /*skip_special=*/false);
  if (back != text) fail(ExitCode::kBadData, "the tokenizer turns '{}' into '{}'", text, back);
  return fmt::format("{} tokens, text survives the round trip", texts.tokenizer->vocabulary_size());
}

void check_model(Report& report, const std::string& folder, const std::string& chat_template) {
  report.check("model", [&] {
    const LlamaConfig config = read_llama_config(folder);
    return fmt::format("{}: {} layers, width {}, vocabulary {}, context {}",
                       folder,
                       config.num_hidden_layers,
                       config.hidden_size,
                       config.vocab_size,
                       config.max_position_embeddings);
  });
  report.check("weights", [&] {
    return fmt::format("{} tensors", open_llama_weights(folder).tensors().size());
  });
  report.check("tokenizer",
               [&] { return check_round_trip(load_model_texts(folder, chat_template)); });
  report.check("template",
               [&] { return load_model_texts(folder, chat_template).chat_template.name; });
}

std::string check_sizes(const RunPlan& plan) {
  const uint64_t memory = std::max(plan.decode_bytes, plan.training.total());
  const auto gib = [](uint64_t bytes) { return static_cast<double>(bytes) / (1ull << 30); };
  if (memory > plan.memory_available || plan.disk_bytes > plan.disk_free) {
    fail(ExitCode::kConfig,
         "needs {:.1f} GiB of memory ({:.1f} available) and {:.1f} GiB of disk ({:.1f} free)",
         gib(memory),
         gib(plan.memory_available),
         gib(plan.disk_bytes),
         gib(plan.disk_free));
  }
  return fmt::format(
      "fits: {:.1f} GiB of memory, {:.1f} GiB of disk", gib(memory), gib(plan.disk_bytes));
}

// The file system of the run folder, or of what it will be made in.
std::string check_folder(fs::path folder) {
  while (!fs::exists(folder)) folder = folder.parent_path();
  const FileSystemTraits traits = try_file_system(folder);
  std::string lacks;
  if (!traits.locks) lacks += "; no flock: LOCK.held says that a run is in use";
  if (!traits.renames_at_once) lacks += "; no rename without replacing: the lock does for it";
  if (!traits.syncs_folders) lacks += "; names are not durable: a power cut may cost a stage";
  return folder.string() + ": writes, syncs and renames" + lacks;
}

// Prices, and what is known of the end of the config's judges.
void check_prices(Report& report, const std::vector<JudgeServer>& judges) {
  constexpr int64_t kOldDays = 183, kSoonDays = 90;
  const std::optional<fs::path> file = find_price_file();
  if (!file) return report.warn("prices", "no configs/prices.yaml: every judge needs judge.price");
  const auto now = static_cast<double>(std::time(nullptr));
  const int failures_before = report.failures();
  report.check("prices", [&] {
    const std::string date = date_of_prices(*file);
    const auto days = days_until(date, now);
    if (!days) fail(ExitCode::kConfig, "{}: 'date' is '{}', not a date", file->string(), date);
    const bool is_old = *days < -kOldDays;
    if (is_old)
      report.warn("prices", "older than six months: look them up again, and edit the file");
    return fmt::format("{} of {}", file->string(), date);
  });
  if (report.failures() > failures_before) return;  // the file cannot be read
  for (const JudgeServer& judge : judges) {
    const bool has_price_there = server_kind(judge.kind) && judge.server.price.is_null();
    const std::string ends = has_price_there ? end_of_model(judge.server, *file) : "";
    const auto days = days_until(ends, now);
    if (!days || *days > kSoonDays) continue;
    report.warn("judge",
                fmt::format("{} {} on {}: a run that is to go on longer needs another one",
                            judge.server.model,
                            *days < 0 ? "was shut down" : "is shut down",
                            ends));
  }
}

void check_run(App& app, Report& report) {
  std::optional<RunPlan> plan;
  report.check("prompts", [&] {
    plan = make_plan(app.config(), /*probe=*/false, app.clock, app.stop);
    return fmt::format("{} found", plan->prompts_found);
  });
  report.check("folder", [&] { return check_folder(fs::absolute(app.config().run_dir)); });
  if (!plan) return;
  report.check("sizes", [&] { return check_sizes(*plan); });
  report.check("judge", [&]() -> std::string {
    if (plan->judge_problem) throw *plan->judge_problem;
    return "its settings are complete (plan --probe asks it)";
  });
}

void doctor_command(App& app, const DoctorOptions& options) {
  Report report;
  report.ok("processor", describe_processor());
  report.check("gpu", describe_device);
  report.check("libraries", check_operators);
  report.check("clock", check_clock);
  report.check("templates", [] { return find_templates_dir().string(); });
  std::string model = options.model;
  std::string chat_template = "auto";
  std::vector<JudgeServer> judges;
  if (!app.source.file.empty()) {
    report.check("config", [&] {
      const RunConfig config = app.config();
      if (model.empty()) model = config.model.path;
      chat_template = config.chat_template;
      judges = all_judges(config.judge);
      return app.source.file;
    });
  }
  check_prices(report, judges);
  if (!model.empty()) check_model(report, model, chat_template);
  if (!app.source.file.empty() && report.failures() == 0) check_run(app, report);
  if (report.failures() > 0)
    fail(ExitCode::kConfig, "{} of the checks above failed", report.failures());
}

}  // namespace

void add_doctor_command(App& app) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App* command =
      add_command<DoctorOptions>(app,
                                 "doctor",
                                 "is this machine ready? one line per check, with the mend",
                                 doctor_command,
                                 options);
  command->add_option("--model", options->model, "a model folder to check (default: the config's)")
      ->type_name("DIR");
}

}  // namespace thoughtrank
