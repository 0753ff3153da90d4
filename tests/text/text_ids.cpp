// Test program with the protocol of `thoughtrank tokenize`: JSONL {"text": …} -> {"ids": […]},
// {"ids": […]} -> {"text": …}; with a template, {"user": …, "system": …} -> {"ids": […]}.
//   text_ids --model DIR [--special] [--decode] [--template CHOICE --templates DIR]
#include <cstdio>
#include <iostream>
#include <string>

#include "thoughtrank/core/json.h"
#include "thoughtrank/text/chat_template.h"

using thoughtrank::Json;

namespace {

struct Arguments {
  std::string model, choice, templates;
  bool is_special = false, is_decode = false;
};

Arguments parse_arguments(int count, char** words) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--special") arguments.is_special = true;
    if (word == "--decode") arguments.is_decode = true;
    if (i + 1 == count) break;
    if (word == "--model") arguments.model = words[i + 1];
    if (word == "--template") arguments.choice = words[i + 1];
    if (word == "--templates") arguments.templates = words[i + 1];
  }
  return arguments;
}

void answer_lines(const Arguments& arguments) {
  const auto tokenizer = thoughtrank::load_tokenizer(arguments.model);
  thoughtrank::ChatTemplate chat;
  if (!arguments.choice.empty()) {
    chat = thoughtrank::load_template(arguments.choice, arguments.templates, arguments.model);
  }
  for (std::string line; std::getline(std::cin, line);) {
    const Json row = thoughtrank::parse_json(line, "stdin");
    Json reply;
    if (arguments.is_decode) {
      reply["text"] = tokenizer->decode(row.at("ids").get<std::vector<int64_t>>(), false);
    } else if (!arguments.choice.empty()) {
      reply["ids"] = thoughtrank::encode_prompt(
          chat,
          *tokenizer,
          {row.at("system").get<std::string>(), row.at("user").get<std::string>()});
    } else {
      const auto text = row.at("text").get<std::string>();
      reply["ids"] =
          arguments.is_special ? tokenizer->encode_with_special(text) : tokenizer->encode(text);
    }
    std::cout << thoughtrank::dump_json(reply) << '\n';
  }
}

}  // namespace

int main(int count, char** words) {
  try {
    answer_lines(parse_arguments(count, words));
  } catch (const thoughtrank::Error& error) {
    std::cerr << error.what() << '\n';
    return static_cast<int>(error.code());
  }
  return 0;
}
