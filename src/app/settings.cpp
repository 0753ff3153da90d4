#include "app/settings.h"

#include <spdlog/fmt/ranges.h>

#include "app/texts.h"
#include "thoughtrank/config/fields.h"
#include "thoughtrank/pipeline/config.h"

namespace thoughtrank {

namespace {

// The schema's node of a dotted key.
const Json& node_of(const Json& schema, const std::string& key) {
  const Json* node = &schema;
  size_t start = 0;
  while (start <= key.size()) {
    const size_t dot = std::min(key.find('.', start), key.size());
    node = &node->at("properties").at(key.substr(start, dot - start));
    start = dot + 1;
  }
  return *node;
}

std::vector<std::string> words_of(const Json& node) {
  std::vector<std::string> words;
  if (node.contains("enum")) {
    for (const Json& word : node.at("enum")) words.push_back(word.get<std::string>());
  } else if (node.contains("type") && node.at("type") == "boolean") {
    words = {"true", "false"};
  }
  return words;
}

}  // namespace

std::vector<Setting> settings() {
  RunConfig config;
  const auto visit = [&](FieldVisitor& visitor) { config.visit(visitor); };
  const Json schema = fields_schema(visit);
  std::vector<Setting> all;
  for (const ConfigOrigin& field : list_fields({}, visit)) {
    all.push_back({field.key, field.value, field.doc, words_of(node_of(schema, field.key))});
  }
  return all;
}

std::string settings_list() {
  constexpr size_t kWidth = 100;
  constexpr size_t kIndent = 6;
  std::string list;
  for (const Setting& setting : settings()) {
    list += fmt::format("  {}: {}\n", setting.key, setting.value);
    const bool is_named = !setting.words.empty() && setting.words.front() != "true";
    const std::string one_of =
        is_named ? fmt::format(" (one of {})", fmt::join(setting.words, ", ")) : "";
    for (const std::string& line : wrap(setting.meaning + one_of, kWidth - kIndent)) {
      list += std::string(kIndent, ' ') + line + "\n";
    }
  }
  return list;
}

}  // namespace thoughtrank
