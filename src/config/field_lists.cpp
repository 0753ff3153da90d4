// The visitors that only look: the resolved config as JSON, its schema, and the list of values with
// origins.
#include <cmath>
#include <utility>

#include "config/field_loader.h"
#include "config/field_text.h"
#include "thoughtrank/config/fields.h"

namespace thoughtrank {
namespace {

Json text_list(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

Json number_list(const std::vector<double>& numbers) {
  Json list = Json::array();
  for (const double number : numbers) list.push_back(number);
  return list;
}

template <class T>
Json value_or(const std::optional<T>& value, const Json& otherwise) {
  return value ? Json(*value) : otherwise;
}

Json integer_type(const IntRange& range) {
  const IntRange whole;
  Json type = {{"type", "integer"}};
  if (range.lowest != whole.lowest) type["minimum"] = range.lowest;
  if (range.highest != whole.highest) type["maximum"] = range.highest;
  return type;
}

Json number_type(const NumberRange& range) {
  Json type = {{"type", "number"}};
  if (std::isfinite(range.lowest)) type["minimum"] = range.lowest;
  if (std::isfinite(range.highest)) type["maximum"] = range.highest;
  return type;
}

Json either(Json one, Json other) {
  return {{"anyOf", Json::array({std::move(one), std::move(other)})}};
}

// One field as the three lists show it.
struct Shown {
  Json type;         // JSON Schema
  Json value;        // as JSON
  std::string yaml;  // as YAML
};

// Turns each kind of field into Shown; what becomes of it is up to `field`.
class ShowingVisitor : public FieldVisitor {
 public:
  virtual void field(const char* key, const Shown& shown, const char* doc) = 0;

  FieldVisitor& may_change() override {
    is_marked_ = true;
    return *this;
  }
  void integer(const char* key, int64_t& value, IntRange range, const char* doc) override {
    field(key, {integer_type(range), value, std::to_string(value)}, doc);
  }
  void number(const char* key, double& value, NumberRange range, const char* doc) override {
    field(key, {number_type(range), value, number_text(value)}, doc);
  }
  void boolean(const char* key, bool& value, const char* doc) override {
    field(key, {{{"type", "boolean"}}, value, value ? "true" : "false"}, doc);
  }
  void text(const char* key, std::string& value, const char* doc) override {
    field(key, {{{"type", "string"}}, value, yaml_text(value)}, doc);
  }
  void path(const char* key, std::string& value, const char* doc) override {
    field(key, {{{"type", "string"}}, value, yaml_text(value)}, doc);
  }
  void choice(const char* key,
              std::string& value,
              const std::vector<std::string>& allowed,
              const char* doc) override {
    field(key, {{{"enum", text_list(allowed)}}, value, yaml_text(value)}, doc);
  }
  void optional_number(const char* key,
                       std::optional<double>& value,
                       NumberRange range,
                       const char* doc) override {
    field(key,
          {either({{"type", "null"}}, number_type(range)),
           value_or(value, nullptr),
           value ? number_text(*value) : "null"},
          doc);
  }
  void auto_integer(const char* key,
                    std::optional<int64_t>& value,
                    IntRange range,
                    const char* doc) override {
    field(key,
          {either({{"const", "auto"}}, integer_type(range)),
           value_or(value, "auto"),
           value ? std::to_string(*value) : "auto"},
          doc);
  }
  void numbers(const char* key,
               std::vector<double>& value,
               size_t count,
               NumberRange range,
               const char* doc) override {
    std::vector<std::string> items;
    items.reserve(value.size());
    for (const double number : value) items.push_back(number_text(number));
    const Json type = {
        {"type", "array"}, {"items", number_type(range)}, {"minItems", count}, {"maxItems", count}};
    field(key, {type, number_list(value), yaml_list(items)}, doc);
  }
  void texts(const char* key, std::vector<std::string>& value, const char* doc) override {
    std::vector<std::string> items;
    items.reserve(value.size());
    for (const std::string& item : value) items.push_back(yaml_text(item));
    const Json type = {{"type", "array"}, {"items", {{"type", "string"}}}};
    field(key, {type, text_list(value), yaml_list(items)}, doc);
  }
  void json(const char* key, Json& value, const char* doc) override {
    const char* kind = value.is_array() ? "array" : "object";
    field(key, {{{"type", Json::array({kind, "null"})}}, value, dump_json(value)}, doc);
  }
  void group_list(const char* key, const GroupList& list, const char* doc) override;

 protected:
  // Whether the present field was marked; the mark ends with it.
  bool take_mark() { return std::exchange(is_marked_, false); }

 private:
  bool is_marked_ = false;
};

// Nested objects, one per group.
class JsonVisitor : public ShowingVisitor {
 public:
  void field(const char* key, const Shown& shown, const char* /*doc*/) override {
    (*open_.back())[key] = shown.value;
  }
  void begin_group(const char* key, const char* /*doc*/) override {
    Json& group = (*open_.back())[key];
    group = Json::object();
    open_.push_back(&group);
  }
  void end_group() override { open_.pop_back(); }

  Json root = Json::object();

 private:
  std::vector<Json*> open_ = {&root};  // only the innermost object grows, so the pointers stay good
};

class SchemaVisitor : public ShowingVisitor {
 public:
  void field(const char* key, const Shown& shown, const char* doc) override {
    Json& property = (*open_.back())["properties"][key];
    property = shown.type;
    const bool is_unset = shown.type.contains("enum") && shown.value == Json("");  // has no default
    if (!is_unset) property["default"] = shown.value;
    property["description"] = doc;
  }
  void begin_group(const char* key, const char* doc) override {
    Json& group = (*open_.back())["properties"][key];
    group = empty_group();
    group["description"] = doc;
    open_.push_back(&group);
  }
  void end_group() override { open_.pop_back(); }
  static Json empty_group() {
    return {{"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
  }

  Json root = empty_group();

 private:
  std::vector<Json*> open_ = {&root};
};

void ShowingVisitor::group_list(const char* key, const GroupList& list, const char* doc) {
  Json values = Json::array();
  for (size_t i = 0; i < list.size; ++i) {
    JsonVisitor item;
    list.visit(i, item);
    values.push_back(std::move(item.root));
  }
  SchemaVisitor schema;
  list.visit_default(schema);
  const Json type = {{"type", "array"}, {"items", schema.root}};
  field(key, {type, values, dump_json(values)}, doc);
}

class OriginVisitor : public ShowingVisitor {
 public:
  explicit OriginVisitor(const std::vector<ConfigLayer>& layers)
      : layers_(layers), cursor_(layers) {}

  void field(const char* key, const Shown& shown, const char* doc) override {
    const FoundValue found = cursor_.find(key);
    std::string origin = "default";
    if (found.value != nullptr) {
      const ConfigLayer& layer = layers_[found.layer];
      origin = layer.is_file ? layer.at(found.value->place) : "--set";
    }
    list.push_back({prefix_ + key, shown.yaml, origin, doc, take_mark()});
  }
  void begin_group(const char* key, const char* /*doc*/) override {
    cursor_.begin_group(key);
    prefix_ += std::string(key) + ".";
  }
  void end_group() override {
    cursor_.end_group();
    prefix_.resize(prefix_.size() - 1);
    prefix_.resize(prefix_.rfind('.') + 1);  // npos + 1 = 0 for an outermost group
  }

  std::vector<ConfigOrigin> list;

 private:
  const std::vector<ConfigLayer>& layers_;
  LayerCursor cursor_;
  std::string prefix_;  // "judge."
};

}  // namespace

std::vector<ConfigOrigin> list_fields(const ConfigSource& source,
                                      const std::function<void(FieldVisitor&)>& visit) {
  const ConfigLayers read = read_layers(source);
  OriginVisitor visitor(read.layers);
  visit(visitor);
  return visitor.list;
}

Json fields_to_json(const std::function<void(FieldVisitor&)>& visit) {
  JsonVisitor visitor;
  visit(visitor);
  return visitor.root;
}

Json fields_schema(const std::function<void(FieldVisitor&)>& visit) {
  SchemaVisitor visitor;
  visit(visitor);
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}};
  schema.update(visitor.root);
  return schema;
}

}  // namespace thoughtrank
