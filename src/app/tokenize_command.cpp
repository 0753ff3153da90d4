// tokenize: JSONL in, JSONL out; needs the tokenizer files only.
#include <iostream>

#include "app/command.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/text/chat_template.h"
#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

namespace {

struct TokenizeOptions {
  std::string model;
  bool parses_special = false;
  bool decodes = false;
  bool renders = false;
  std::string chat_template = "auto";
};

Json encode_line(const Tokenizer& tokenizer,
                 const TokenizeOptions& options,
                 const Json& row,
                 const std::string& where) {
  const std::string text = require_string(row, "text", where);
  return {{"ids",
           options.parses_special ? tokenizer.encode_with_special(text) : tokenizer.encode(text)}};
}

Json decode_line(const Tokenizer& tokenizer, const Json& row, const std::string& where) {
  const auto ids = require_ints(row, "ids", 0, tokenizer.vocabulary_size() - 1, where);
  return {{"text", tokenizer.decode(ids, /*skip_special=*/false)}};
}

Json render_line(const Tokenizer& tokenizer,
                 const ChatTemplate& chat_template,
                 const Json& row,
                 const std::string& where) {
  const ChatPrompt prompt = {
      .system = row.contains("system") ? require_string(row, "system", where) : "",
      .user = require_string(row, "prompt", where)};
  return {{"text", render_prompt(chat_template, prompt)},
          {"ids", encode_prompt(chat_template, tokenizer, prompt)}};
}

void tokenize_command(App& app, const TokenizeOptions& options) {
  const auto tokenizer = load_tokenizer(options.model);
  std::optional<ChatTemplate> chat_template;
  if (options.renders)
    chat_template = load_template(options.chat_template, find_templates_dir(), options.model);
  std::string line;
  for (int64_t number = 1; std::getline(std::cin, line); ++number) {
    app.stop.throw_if_set();
    const std::string where = fmt::format("stdin:{}", number);
    const Json row = parse_json(line, where);
    const Json result = options.decodes   ? decode_line(*tokenizer, row, where)
                        : options.renders ? render_line(*tokenizer, *chat_template, row, where)
                                          : encode_line(*tokenizer, options, row, where);
    print(dump_json(result) + "\n");
  }
  app.stop.throw_if_set();  // a signal ends the reading, too
}

}  // namespace

void add_tokenize_command(App& app) {
  const auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = add_command<TokenizeOptions>(
      app,
      "tokenize",
      "JSONL on stdin to JSONL on stdout: {\"text\":…} -> {\"ids\":[…]}",
      tokenize_command,
      options);
  command->add_option("--model", options->model, "folder with tokenizer.json or tokenizer.model")
      ->type_name("DIR")
      ->required();
  CLI::Option* special = command->add_flag(
      "--special", options->parses_special, "special tokens in the text become ids");
  CLI::Option* decode = command->add_flag("--decode", options->decodes, "ids to text");
  CLI::Option* render =
      command->add_flag("--template", options->renders, "prompt rows through the chat template");
  command->add_option("--template-name", options->chat_template, "which template (default: auto)")
      ->type_name("NAME|FILE")
      ->needs(render);
  special->excludes(decode);
  decode->excludes(render);
  render->excludes(special);
}

}  // namespace thoughtrank
