// The topics of `thoughtrank help` and the details under a command's --help, from src/app/help.
#pragma once

#include <string>
#include <vector>

namespace thoughtrank {

struct Topic {
  std::string name;   // "judge"
  std::string title;  // the text's first line: "Who ranks the answers"
};

// By name in order.
[[nodiscard]] std::vector<Topic> topics();

// The whole text of a topic, its generated lists filled in.
[[nodiscard]] std::string topic_text(const std::string& name);

// Markdown of help/commands: "bench decode" is in bench-decode.md; empty where a command needs no
// more than its options.
[[nodiscard]] std::string command_details(const std::string& path);

// What stands under the options of a command's --help.
[[nodiscard]] std::string command_footer(const std::string& path);

}  // namespace thoughtrank
