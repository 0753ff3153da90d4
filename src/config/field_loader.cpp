#include "config/field_loader.h"

#include <algorithm>

#include "config/field_text.h"
#include "thoughtrank/config/nearest.h"
#include "thoughtrank/core/shorten.h"

namespace thoughtrank {
namespace {

bool is_plain(const YamlValue& value) {
  return value.kind == YamlValue::Kind::scalar && !value.is_quoted;
}

std::optional<int64_t> as_integer(const YamlValue& value, const IntRange& range) {
  const auto integer = is_plain(value) ? read_integer(value.text) : std::nullopt;
  if (!integer || *integer < range.lowest || *integer > range.highest) return std::nullopt;
  return integer;
}

std::optional<double> as_number(const YamlValue& value, const NumberRange& range) {
  const auto number = is_plain(value) ? read_number(value.text) : std::nullopt;
  if (!number || *number < range.lowest || *number > range.highest) return std::nullopt;
  return number;
}

}  // namespace

LayerCursor::LayerCursor(const std::vector<ConfigLayer>& layers) : groups_(1) {
  for (const ConfigLayer& layer : layers) groups_.front().push_back(&layer.root);
}

void LayerCursor::begin_group(const std::string& key) {
  std::vector<const YamlValue*> inner;
  for (const YamlValue* outer : groups_.back()) {
    inner.push_back(outer == nullptr ? nullptr : outer->find(key));
  }
  groups_.push_back(std::move(inner));
}

void LayerCursor::begin_group(const FoundValue& value) {
  std::vector<const YamlValue*> inner(layers(), nullptr);
  inner[value.layer] = value.value;
  groups_.push_back(std::move(inner));
}

FoundValue LayerCursor::find(const std::string& key) const {
  for (size_t layer = 0; layer < layers(); ++layer) {
    const YamlValue* value = group(layer) == nullptr ? nullptr : group(layer)->find(key);
    if (value != nullptr) return {value, layer};
  }
  return {};
}

FieldLoader::FieldLoader(ConfigLayers layers)
    : layers_(std::move(layers.layers)), problems_(std::move(layers.problems)), cursor_(layers_) {}

std::string FieldLoader::dotted(const std::string& key) const {
  return path_.empty() ? key : fmt::format("{}.{}", fmt::join(path_, "."), key);
}

FoundValue FieldLoader::take(const char* key) {
  known_.back().emplace_back(key);
  all_keys_.push_back(dotted(key));
  return cursor_.find(key);
}

void FieldLoader::expect(const char* key, const FoundValue& found, const std::string& expected) {
  problems_.push_back(
      {found.layer,
       found.value->place,
       fmt::format("'{}' should be {}, found {}", dotted(key), expected, describe(*found.value))});
}

void FieldLoader::integer(const char* key, int64_t& value, IntRange range, const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  if (const auto integer = as_integer(*found.value, range)) {
    value = *integer;
  } else {
    expect(key, found, expected_integer(range));
  }
}

void FieldLoader::number(const char* key, double& value, NumberRange range, const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  if (const auto number = as_number(*found.value, range)) {
    value = *number;
  } else {
    expect(key, found, expected_number(range));
  }
}

void FieldLoader::boolean(const char* key, bool& value, const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  if (is_plain(*found.value) && (found.value->text == "true" || found.value->text == "false")) {
    value = found.value->text == "true";
  } else {
    expect(key, found, "true or false");
  }
}

void FieldLoader::text(const char* key, std::string& value, const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  if (found.value->kind == YamlValue::Kind::scalar) {
    value = found.value->text;
  } else {
    expect(key, found, "text (\"\" for none)");
  }
}

void FieldLoader::path(const char* key, std::string& value, const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  if (found.value->kind != YamlValue::Kind::scalar) {
    return expect(key, found, "a path (\"\" for none)");
  }
  value = found.value->text;
  if (!value.empty()) value = (layers_[found.layer].folder / value).lexically_normal().string();
}

void FieldLoader::choice(const char* key,
                         std::string& value,
                         const std::vector<std::string>& allowed,
                         const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  const bool is_scalar = found.value->kind == YamlValue::Kind::scalar;
  if (is_scalar && std::find(allowed.begin(), allowed.end(), found.value->text) != allowed.end()) {
    value = found.value->text;
    return;
  }
  expect(key, found, fmt::format("one of {}", fmt::join(allowed, ", ")));
  if (is_scalar) problems_.back().text += did_you_mean(nearest(found.value->text, allowed));
}

void FieldLoader::optional_number(const char* key,
                                  std::optional<double>& value,
                                  NumberRange range,
                                  const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  value = as_number(*found.value, range);
  if (!value && found.value->kind != YamlValue::Kind::null) {
    expect(key, found, "null or " + expected_number(range));
  }
}

void FieldLoader::auto_integer(const char* key,
                               std::optional<int64_t>& value,
                               IntRange range,
                               const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  value = as_integer(*found.value, range);
  const bool is_auto = found.value->kind == YamlValue::Kind::scalar && found.value->text == "auto";
  if (!value && !is_auto) expect(key, found, "auto or " + expected_integer(range));
}

void FieldLoader::numbers(const char* key,
                          std::vector<double>& value,
                          size_t count,
                          NumberRange range,
                          const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  const std::string expected = fmt::format("a list of {} numbers", count);
  const bool is_list = found.value->kind == YamlValue::Kind::list;
  if (!is_list || found.value->items.size() != count) return expect(key, found, expected);
  std::vector<double> read;
  for (const YamlValue& item : found.value->items) {
    const auto number = as_number(item, range);
    if (!number) return expect(key, {&item, found.layer}, expected_number(range));
    read.push_back(*number);
  }
  value = std::move(read);
}

void FieldLoader::texts(const char* key, std::vector<std::string>& value, const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  if (found.value->kind != YamlValue::Kind::list) return expect(key, found, "a list of texts");
  std::vector<std::string> read;
  for (const YamlValue& item : found.value->items) {
    if (item.kind != YamlValue::Kind::scalar) return expect(key, {&item, found.layer}, "text");
    read.push_back(item.text);
  }
  value = std::move(read);
}

void FieldLoader::command(const char* key, std::vector<std::string>& value, const char* doc) {
  const FoundValue found = cursor_.find(key);
  std::vector<std::string> read;
  texts(key, read, doc);
  if (found.value == nullptr) return;
  const bool is_path = !read.empty() && read[0].find('/') != std::string::npos;
  if (is_path) read[0] = (layers_[found.layer].folder / read[0]).lexically_normal().string();
  value = std::move(read);
}

void FieldLoader::json(const char* key, Json& value, const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  const auto wanted = value.is_array() ? YamlValue::Kind::list : YamlValue::Kind::map;
  if (found.value->kind == wanted || found.value->kind == YamlValue::Kind::null) {
    value = yaml_to_json(*found.value);
  } else {
    expect(key, found, value.is_array() ? "a list or null" : "a mapping or null");
  }
}

void FieldLoader::group_list(const char* key, const GroupList& list, const char* /*doc*/) {
  const FoundValue found = take(key);
  if (found.value == nullptr) return;
  if (found.value->kind != YamlValue::Kind::list) {
    return expect(key, found, "a list of mappings ([] for none)");
  }
  const std::vector<YamlValue>& items = found.value->items;
  list.resize(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    cursor_.begin_group({&items[i], found.layer});
    open_group(fmt::format("{}[{}]", key, i));
    list.visit(i, *this);
    end_group();
  }
}

void FieldLoader::begin_group(const char* key, const char* /*doc*/) {
  known_.back().emplace_back(key);
  cursor_.begin_group(key);
  open_group(key);
}

// What the layers have there must be mappings.
void FieldLoader::open_group(const std::string& name) {
  for (size_t layer = 0; layer < cursor_.layers(); ++layer) {
    const YamlValue* group = cursor_.group(layer);
    if (group == nullptr || group->kind == YamlValue::Kind::map) continue;
    if (group->kind != YamlValue::Kind::null) {
      expect(name.c_str(), {group, layer}, "a group of options (a mapping)");
    }
  }
  path_.push_back(name);
  known_.emplace_back();
}

void FieldLoader::end_group() {
  collect_unknown_keys();
  known_.pop_back();
  path_.pop_back();
  cursor_.end_group();
}

void FieldLoader::collect_unknown_keys() {
  const std::vector<std::string>& known = known_.back();
  for (size_t layer = 0; layer < cursor_.layers(); ++layer) {
    const YamlValue* map = cursor_.group(layer);
    if (map == nullptr || map->kind != YamlValue::Kind::map) continue;
    for (const YamlValue& entry : map->items) {
      if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
      const std::string group = fmt::format("{}", fmt::join(path_, "."));
      unknown_.push_back({layer, entry.key_place, entry.key, group, known});
    }
  }
}

void FieldLoader::explain_unknown_keys() {
  for (const UnknownKey& unknown : unknown_) {
    std::string guess = nearest(unknown.key, unknown.siblings);
    for (const std::string& key : all_keys_) {
      if (guess.empty() && key.ends_with("." + unknown.key)) guess = key;
    }
    std::string text = fmt::format("unknown key '{}'", shorten(unknown.key));
    if (!unknown.group.empty()) text += fmt::format(" in '{}'", unknown.group);
    problems_.push_back({unknown.layer, unknown.place, text + did_you_mean(guess)});
  }
}

void FieldLoader::finish() {
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    const YamlValue& root = layers_[layer].root;
    if (root.kind == YamlValue::Kind::map || root.kind == YamlValue::Kind::null) continue;
    problems_.push_back({layer, root.place, "should be a mapping, found " + describe(root)});
  }
  collect_unknown_keys();
  explain_unknown_keys();
  if (problems_.empty()) return;
  std::stable_sort(
      problems_.begin(), problems_.end(), [](const ConfigProblem& a, const ConfigProblem& b) {
        return a.layer != b.layer ? a.layer > b.layer : a.place < b.place;  // the file first
      });
  std::vector<std::string> lines;
  for (const ConfigProblem& problem : problems_) {
    lines.push_back(layers_[problem.layer].at(problem.place) + ": " + problem.text);
  }
  fail(ExitCode::kConfig, "{}", fmt::join(lines, "\n"));
}

}  // namespace thoughtrank
