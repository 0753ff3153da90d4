#include "thoughtrank/config/fields.h"

#include "config/field_loader.h"
#include "thoughtrank/core/file_kind.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/shorten.h"

namespace thoughtrank {
namespace {

constexpr uint64_t kLongestConfig = 1 << 20;

void add_layer(ConfigLayers& read, ConfigLayer layer, const std::string& yaml) {
  std::vector<YamlProblem> problems;
  layer.root = read_yaml(yaml, problems);
  for (YamlProblem& problem : problems) {
    read.problems.push_back({read.layers.size(), problem.place, std::move(problem.text)});
  }
  read.layers.push_back(std::move(layer));
}

// judge.max_usd and 5 -> {judge: {max_usd: 5}}
YamlValue nest(const std::string& dotted_key, YamlValue value) {
  size_t end = dotted_key.size();
  while (end != std::string::npos) {
    const size_t dot = end == 0 ? std::string::npos : dotted_key.rfind('.', end - 1);
    const size_t begin = dot == std::string::npos ? 0 : dot + 1;
    value.key = dotted_key.substr(begin, end - begin);
    YamlValue map{.kind = YamlValue::Kind::map};
    map.items.push_back(std::move(value));
    value = std::move(map);
    end = dot;
  }
  return value;
}

void add_set(ConfigLayers& read, const std::string& set, const fs::path& folder) {
  const size_t equals = set.find('=');
  const std::string key = set.substr(0, equals);
  ConfigLayer layer{.name = "--set " + shorten(key), .folder = folder};
  if (equals == std::string::npos || key.empty()) {
    read.problems.push_back({read.layers.size(), {}, "should be key.path=value"});
    read.layers.push_back(std::move(layer));
    return;
  }
  add_layer(read, std::move(layer), set.substr(equals + 1));
  YamlValue& root = read.layers.back().root;
  root = nest(key, std::move(root));
}

// A file of that length is no config, nor is what is no text.
std::string read_config(const std::string& file) {
  try {
    return read_text_file(file, kLongestConfig);
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadData) throw;
    throw Error(ExitCode::kConfig, error.what());
  }
}

}  // namespace

std::string ConfigLayer::at(const YamlPlace& place) const {
  return is_file ? fmt::format("{}:{}:{}", name, place.line, place.column) : name;
}

ConfigLayers read_layers(const ConfigSource& source) {
  ConfigLayers read;
  const fs::path sets_folder =
      source.sets_folder.empty() ? fs::current_path() : fs::path(source.sets_folder);
  for (auto set = source.sets.rbegin(); set != source.sets.rend(); ++set) {
    add_set(read, *set, sets_folder);
  }
  if (!source.file.empty()) {
    const fs::path folder = fs::absolute(source.file).parent_path();
    ConfigLayer layer{.name = source.file, .is_file = true, .folder = folder};
    add_layer(read, std::move(layer), read_config(source.file));
  }
  return read;
}

void load_fields(const ConfigSource& source, const std::function<void(FieldVisitor&)>& visit) {
  FieldLoader loader(read_layers(source));
  visit(loader);
  loader.finish();
}

}  // namespace thoughtrank
