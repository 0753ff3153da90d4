#include "config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <sstream>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/shorten.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

constexpr size_t kDeepest = 32;

YamlPlace place_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

// Ends the reading: what follows could not be understood.
struct SyntaxError {
  YamlProblem problem;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::vector<YamlProblem>& problems) : problems_(problems) {}

  void OnDocumentStart(const YAML::Mark& mark) override { started_ = place_of(mark); }
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw SyntaxError{{place_of(mark), "aliases (*name) are not supported; repeat the value"}};
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    add({.kind = YamlValue::Kind::null, .place = place_of(mark)});
  }
  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    add({.kind = YamlValue::Kind::scalar,
         .place = place_of(mark),
         .text = value,
         .is_quoted = tag == "!"});
  }
  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(YamlValue::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark,
                  const std::string& tag,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(YamlValue::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

  YamlValue root;
  [[nodiscard]] YamlPlace started() const { return started_; }

 private:
  // A list or map that is still being read.
  struct Frame {
    YamlValue value;
    std::optional<YamlValue> key;  // a map's key that waits for its value
  };

  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) problems_.push_back({place_of(mark), "anchors (&name) are not supported"});
    if (!tag.empty() && tag != "?" && tag != "!") {
      problems_.push_back({place_of(mark), "tags (" + shorten(tag) + ") are not supported"});
    }
  }

  [[nodiscard]] bool awaits_key() const {
    return !stack_.empty() && stack_.back().value.kind == YamlValue::Kind::map &&
           !stack_.back().key;
  }

  void open(YamlValue::Kind kind,
            const YAML::Mark& mark,
            const std::string& tag,
            YAML::anchor_t anchor) {
    check(mark, tag, anchor);
    if (awaits_key()) throw SyntaxError{{place_of(mark), "a key should be a plain word"}};
    if (stack_.size() == kDeepest) {
      throw SyntaxError{{place_of(mark), fmt::format("nested deeper than {}", kDeepest)}};
    }
    stack_.push_back({{.kind = kind, .place = place_of(mark)}, std::nullopt});
  }

  void close() {
    YamlValue finished = std::move(stack_.back().value);
    stack_.pop_back();
    add(std::move(finished));
  }

  void add(YamlValue value) {
    if (stack_.empty()) {
      root = std::move(value);
    } else if (Frame& frame = stack_.back(); frame.value.kind == YamlValue::Kind::list) {
      frame.value.items.push_back(std::move(value));
    } else if (!frame.key) {
      if (value.kind != YamlValue::Kind::scalar) {
        throw SyntaxError{{value.place, "a key should be a plain word"}};
      }
      frame.key = std::move(value);
    } else {
      value.key = std::move(frame.key->text);
      value.key_place = frame.key->place;
      frame.key.reset();
      add_entry(frame.value.items, std::move(value));
    }
  }

  void add_entry(std::vector<YamlValue>& entries, YamlValue entry) {
    for (const YamlValue& earlier : entries) {
      if (earlier.key != entry.key) continue;
      problems_.push_back({entry.key_place,
                           fmt::format("duplicate key '{}' (first on line {}). Keep one of them",
                                       shorten(entry.key),
                                       earlier.key_place.line)});
      return;
    }
    entries.push_back(std::move(entry));
  }

  std::vector<YamlProblem>& problems_;
  std::vector<Frame> stack_;
  YamlPlace started_;
};

// What yaml-cpp reads without complaint.
void check_bytes(const std::string& text, std::vector<YamlProblem>& problems) {
  if (text.starts_with("\xEF\xBB\xBF")) {
    problems.push_back({{1, 1}, "begins with a byte order mark. Save it as UTF-8 without BOM"});
  }
  YamlPlace place;
  for (const char c : text) {
    if (c == '\t') problems.push_back({place, "tab character. Use spaces"});
    if (c == '\0') throw SyntaxError{{place, "NUL byte. Is this a text file?"}};
    if (c == '\n') place = {place.line + 1, 0};
    ++place.column;
  }
  if (!is_valid_utf8(text)) throw SyntaxError{{{1, 1}, "is not valid UTF-8"}};
}

YamlValue parse(const std::string& text, std::vector<YamlProblem>& problems) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  TreeBuilder document(problems);
  if (!parser.HandleNextDocument(document)) return {};
  TreeBuilder second(problems);
  if (parser.HandleNextDocument(second)) {
    throw SyntaxError{{second.started(), "a second document begins here. Keep one of them"}};
  }
  return std::move(document.root);
}

}  // namespace

const YamlValue* YamlValue::find(std::string_view wanted) const {
  if (kind != Kind::map) return nullptr;
  for (const YamlValue& item : items) {
    if (item.key == wanted) return &item;
  }
  return nullptr;
}

YamlValue read_yaml(const std::string& text, std::vector<YamlProblem>& problems) {
  try {
    check_bytes(text, problems);
    return parse(text, problems);
  } catch (const SyntaxError& error) {
    problems.push_back(error.problem);
  } catch (const YAML::ParserException& error) {
    problems.push_back({place_of(error.mark), "not valid YAML: " + shorten(error.msg, 200)});
  }
  return {};
}

}  // namespace thoughtrank
