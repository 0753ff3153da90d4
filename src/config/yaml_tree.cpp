#include "config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
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

// The offset of the quote that closes the one at text[open]; npos where none does.
size_t closing_quote(std::string_view text, size_t open) {
  const char quote = text[open];
  for (size_t i = open + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;  // \" closes nothing
    } else if (text[i] == quote) {
      if (quote == '"' || text.substr(i + 1, 1) != "'") return i;
      ++i;  // '' is an apostrophe
    }
  }
  return std::string_view::npos;
}

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, std::vector<YamlProblem>& problems)
      : text_(text), problems_(problems) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (has_started_) {
      throw SyntaxError{{place_of(mark), "a second document begins here. Keep one of them"}};
    }
    has_started_ = true;
  }
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
    if (tag == "!") check_quotes(mark);
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

  // What yaml-cpp stopped at, told by the bracket or quote that was opened before, where one was.
  [[nodiscard]] YamlProblem explain(const YAML::ParserException& error) const {
    const YamlPlace found = place_of(error.mark);
    const bool is_list = error.msg == YAML::ErrorMsg::END_OF_SEQ_FLOW;
    if (!stack_.empty() && (is_list || error.msg == YAML::ErrorMsg::END_OF_MAP_FLOW)) {
      return {stack_.back().value.place,
              fmt::format("not valid YAML: '{}' is not closed: expected ',' or '{}' on line {}",
                          is_list ? '[' : '{',
                          is_list ? ']' : '}',
                          found.line)};
    }
    if (error.msg == YAML::ErrorMsg::FLOW_END) {
      return {found,
              fmt::format("not valid YAML: '{}' does not close what is open here",
                          char_at(error.mark))};
    }
    // A quote left open ends at the next one, lines below.
    if (quote_.line < quote_ends_on_ && quote_ends_on_ == found.line) {
      return {quote_,
              fmt::format("not valid YAML: the quote opened here ends on line {} only: expected "
                          "its end on line {}",
                          found.line,
                          quote_.line)};
    }
    return {found, "not valid YAML: " + shorten(error.msg, 200)};
  }

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

  [[nodiscard]] char char_at(const YAML::Mark& mark) const {
    const auto at = static_cast<size_t>(mark.pos);
    return at < text_.size() ? text_[at] : '\n';
  }

  // yaml-cpp takes the end of the file for a missing quote.
  void check_quotes(const YAML::Mark& mark) {
    // The mark stands at the quote, or at the tag ! before it.
    const size_t open = text_.find_first_not_of("! ", static_cast<size_t>(mark.pos));
    if (open == std::string_view::npos || (text_[open] != '"' && text_[open] != '\'')) return;
    const size_t close = closing_quote(text_, open);
    if (close == std::string_view::npos) {
      throw SyntaxError{{place_of(mark),
                         fmt::format("not valid YAML: the quote opened here is never closed: "
                                     "expected {} at the end of the value",
                                     text_[open])}};
    }
    const auto lines = std::ranges::count(text_.substr(open, close - open), '\n');
    quote_ = place_of(mark);
    quote_ends_on_ = quote_.line + static_cast<int>(lines);
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
    if (awaits_key()) {  // what an open bracket at the top looks like, too
      const char bracket = char_at(mark);
      throw SyntaxError{{place_of(mark),
                         fmt::format("a key should be a plain word{}",
                                     bracket == '{'   ? ". Is a '}' missing?"
                                     : bracket == '[' ? ". Is a ']' missing?"
                                                      : "")}};
    }
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

  std::string_view text_;
  std::vector<YamlProblem>& problems_;
  std::vector<Frame> stack_;
  YamlPlace quote_;        // the last one that was opened
  int quote_ends_on_ = 0;  // its line
  bool has_started_ = false;
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
  const size_t known = problems.size();
  std::istringstream stream(text);
  TreeBuilder document(text, problems);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(document)) {  // a second one is refused where it begins
    }
  } catch (const YAML::ParserException& error) {
    if (error.msg != YAML::ErrorMsg::EOF_IN_SCALAR) throw SyntaxError{document.explain(error)};
    // The scanner saw that a quote is missing. Behind one more line it does not, and our own check
    // says where.
    problems.resize(known);
    return parse(text + '\n', problems);
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
  }
  return {};
}

}  // namespace thoughtrank
