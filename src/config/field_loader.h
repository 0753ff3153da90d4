// The visitor that fills options from layers of YAML: the --set values, the last one first, above
// the file. A key is taken from the topmost layer that has it. Problems are collected, never
// thrown, until finish().
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/yaml_tree.h"
#include "thoughtrank/config/fields.h"

namespace thoughtrank {

struct ConfigLayer {
  std::string name;              // "round.yaml" or "--set judge.max_usd"
  bool is_file = false;          // places inside a file are worth naming
  std::filesystem::path folder;  // what relative paths are relative to
  YamlValue root = {};

  // "round.yaml:12:5" or "--set judge.max_usd"
  [[nodiscard]] std::string at(const YamlPlace& place) const;
};

struct ConfigProblem {
  size_t layer;
  YamlPlace place;
  std::string text;
};

// The layers of a source, topmost first, and what was wrong with their YAML.
struct ConfigLayers {
  std::vector<ConfigLayer> layers;
  std::vector<ConfigProblem> problems;
};
[[nodiscard]] ConfigLayers read_layers(const ConfigSource& source);

// A value and the layer it stands in.
struct FoundValue {
  const YamlValue* value = nullptr;
  size_t layer = 0;
};

// Walks the groups of all layers in step with a visitor.
class LayerCursor {
 public:
  explicit LayerCursor(const std::vector<ConfigLayer>& layers);
  void begin_group(const std::string& key);
  // Only `value`, which stands in one layer.
  void begin_group(const FoundValue& value);
  void end_group() { groups_.pop_back(); }
  // In the group where we are; its value is nullptr when no layer has the key.
  [[nodiscard]] FoundValue find(const std::string& key) const;
  // The present group in one layer; nullptr where that layer has none.
  [[nodiscard]] const YamlValue* group(size_t layer) const { return groups_.back()[layer]; }
  [[nodiscard]] size_t layers() const { return groups_.front().size(); }

 private:
  std::vector<std::vector<const YamlValue*>> groups_;  // outermost first, one per layer
};

class FieldLoader : public FieldVisitor {
 public:
  explicit FieldLoader(ConfigLayers layers);
  // Throws Error(kConfig) with a line for each problem, if there was any. Call once after the
  // visit.
  void finish();

  void integer(const char* key, int64_t& value, IntRange range, const char* doc) override;
  void number(const char* key, double& value, NumberRange range, const char* doc) override;
  void boolean(const char* key, bool& value, const char* doc) override;
  void text(const char* key, std::string& value, const char* doc) override;
  void path(const char* key, std::string& value, const char* doc) override;
  void choice(const char* key,
              std::string& value,
              const std::vector<std::string>& allowed,
              const char* doc) override;
  void optional_number(const char* key,
                       std::optional<double>& value,
                       NumberRange range,
                       const char* doc) override;
  void auto_integer(const char* key,
                    std::optional<int64_t>& value,
                    IntRange range,
                    const char* doc) override;
  void numbers(const char* key,
               std::vector<double>& value,
               size_t count,
               NumberRange range,
               const char* doc) override;
  void texts(const char* key, std::vector<std::string>& value, const char* doc) override;
  void command(const char* key, std::vector<std::string>& value, const char* doc) override;
  void json(const char* key, Json& value, const char* doc) override;
  void group_list(const char* key, const GroupList& list, const char* doc) override;
  void begin_group(const char* key, const char* doc) override;
  void end_group() override;

 private:
  // A key that no field of its group bears; guessed at when all fields are known.
  struct UnknownKey {
    size_t layer;
    YamlPlace place;
    std::string key, group;
    std::vector<std::string> siblings;
  };

  [[nodiscard]] FoundValue take(const char* key);
  [[nodiscard]] std::string dotted(const std::string& key) const;
  void expect(const char* key, const FoundValue& found, const std::string& expected);
  void open_group(const std::string& name);
  void collect_unknown_keys();
  void explain_unknown_keys();

  std::vector<ConfigLayer> layers_;
  std::vector<ConfigProblem> problems_;
  LayerCursor cursor_;
  std::vector<std::string> path_;                       // of the present group
  std::vector<std::vector<std::string>> known_ = {{}};  // keys visited in each open group
  std::vector<std::string> all_keys_;                   // dotted
  std::vector<UnknownKey> unknown_;
};

}  // namespace thoughtrank
