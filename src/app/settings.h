// Every key of the config as `help config`, the manual page and the completions of --set show it.
#pragma once

#include <string>
#include <vector>

namespace thoughtrank {

struct Setting {
  std::string key;                 // "judge.max_usd"
  std::string value;               // the default, as YAML
  std::string meaning;             // of its visit()
  std::vector<std::string> words;  // what it may be, where that is a closed set
};

// In visiting order.
[[nodiscard]] std::vector<Setting> settings();

// The list of `help config`: key and default in a line, then the meaning, at most 100 columns wide.
[[nodiscard]] std::string settings_list();

}  // namespace thoughtrank
