// config show | schema | check, and init.
#include <algorithm>

#include "app/command.h"
#include "app/example_prompts.h"
#include "thoughtrank/core/files.h"

namespace thoughtrank {

void add_doctor_command(App& app);

namespace {

struct InitOptions {
  std::string folder = ".";
  std::string model = "models/SmolLM2-135M-Instruct";
};

void visit_defaults(FieldVisitor& visitor) {
  static RunConfig config;
  config = RunConfig();
  config.visit(visitor);
}

void show_command(App& app) {
  RunConfig config;
  const auto visit = [&](FieldVisitor& v) { config.visit(v); };
  load_fields(app.source, visit);
  const auto fields = list_fields(app.source, visit);
  size_t width = 0;
  for (const ConfigOrigin& field : fields)
    width = std::max(width, field.key.size() + field.value.size());
  for (const ConfigOrigin& field : fields) {
    const size_t used = field.key.size() + field.value.size();
    print(fmt::format(
        "{}: {}{}  # {}\n", field.key, field.value, std::string(width - used, ' '), field.origin));
  }
}

void schema_command(App&) { print(fields_schema(visit_defaults).dump(2) + "\n"); }

void check_command(App& app) {
  (void)app.config();
  print("ok\n");
}

// The annotated file is made from the list of fields, so it cannot be stale.
std::string annotated_config(const std::string& model) {
  RunConfig config;
  config.model.path = fs::absolute(model).lexically_normal().string();
  config.prompts.path = "prompts.jsonl";
  config.prompts.per_round = 6;
  config.prompts.holdout = 4;
  config.rounds = 2;
  config.judge.first.kind = JudgeKind::likelihood;  // needs no server, no key and no answers
  config.generate.thought_tokens = 24;
  config.generate.answer_tokens = 40;
  config.train.learning_rate = 2e-5;
  config.train.tokens_per_step = 1;
  std::string text =
      "# Made by `thoughtrank init`. Every key, with what it means; a key left out has the value "
      "of "
      "`config show`.\n"
      "# Relative paths are relative to this file. Check with: thoughtrank config check --config "
      "round.yaml\n";
  std::string open_group;
  for (const ConfigOrigin& field : list_fields({}, [&](FieldVisitor& v) { config.visit(v); })) {
    std::string indent;
    std::string rest = field.key;
    std::string path;
    for (size_t dot = rest.find('.'); dot != std::string::npos; dot = rest.find('.')) {
      path += rest.substr(0, dot) + ".";
      if (open_group.rfind(path, 0) != 0)
        text += fmt::format("{}{}:\n", indent, rest.substr(0, dot));
      rest = rest.substr(dot + 1);
      indent += "  ";
    }
    open_group = path;
    text += fmt::format("{}{}: {}  # {}\n", indent, rest, field.value, field.doc);
  }
  return text;
}

std::string example_prompt_rows() {
  std::string rows;
  int64_t number = 0;
  for (const std::string& prompt : kExamplePrompts) {
    rows +=
        dump_json(Json{{"id", fmt::format("example-{:02}", ++number)}, {"prompt", prompt}}) + "\n";
  }
  return rows;
}

void init_command(App&, const InitOptions& options) {
  const fs::path folder = options.folder;
  for (const char* name : {"round.yaml", "prompts.jsonl"}) {
    if (fs::exists(folder / name)) {
      fail(ExitCode::kConfig,
           "{} is there already; init overwrites nothing",
           (folder / name).string());
    }
  }
  fs::create_directories(folder);
  publish_file(folder / "round.yaml", annotated_config(options.model));
  publish_file(folder / "prompts.jsonl", example_prompt_rows());
  const std::string config = (folder / "round.yaml").string();
  print(
      fmt::format("wrote {} and {}\n"
                  "next (the model is {}):\n"
                  "  thoughtrank doctor --config {}\n"
                  "  thoughtrank plan --config {}\n"
                  "  thoughtrank run --config {}\n",
                  config,
                  (folder / "prompts.jsonl").string(),
                  options.model,
                  config,
                  config,
                  config));
}

void add_config_part(App& app,
                     CLI::App& parent,
                     const std::string& name,
                     const std::string& description,
                     void (*work)(App&)) {
  CLI::App* part = parent.add_subcommand(name, description);
  part->footer(command_footer("config " + name));
  part->fallthrough();
  part->callback([&app, work] { app.work = [&app, work] { work(app); }; });
}

}  // namespace

void add_setup_commands(App& app) {
  CLI::App* config =
      app.cli.add_subcommand("config", "show | schema | check: the config as the program reads it");
  config->require_subcommand(1);
  config->footer(command_footer("config"));
  config->fallthrough();
  add_config_part(
      app, *config, "show", "every key with its value and where it comes from", show_command);
  add_config_part(app, *config, "schema", "JSON Schema, for editors", schema_command);
  add_config_part(app, *config, "check", "errors only, each with file:line:column", check_command);
  add_doctor_command(app);
  const auto options = std::make_shared<InitOptions>();
  CLI::App* init = add_command<InitOptions>(
      app, "init", "writes an annotated round.yaml and example prompts", init_command, options);
  init->add_option("DIR", options->folder, "where (default: here)");
  init->add_option(
          "--model", options->model, "the model's Hugging Face folder (default: the quickstart's)")
      ->type_name("DIR");
}

}  // namespace thoughtrank
