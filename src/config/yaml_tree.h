// A YAML document as a tree that remembers where each key and value stood. Built from yaml-cpp's
// events, because its own nodes lose duplicates and read 010 as 8. What a config has no use for is
// a problem: anchors and aliases, tags, tabs, byte order marks, a second document, deep nesting.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thoughtrank {

struct YamlPlace {
  int line = 1, column = 1;
  bool operator<(const YamlPlace& other) const {
    return std::pair(line, column) < std::pair(other.line, other.column);
  }
};

struct YamlProblem {
  YamlPlace place = {};
  std::string text;
};

struct YamlValue {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  YamlPlace place = {};
  std::string text = {};   // of a scalar
  bool is_quoted = false;  // "5" and '5' are text, 5 is a number
  std::string key = {};    // of a map's item
  YamlPlace key_place = {};
  std::vector<YamlValue> items = {};  // of a list or map, in the file's order

  // nullptr where this is no map or has no such key.
  [[nodiscard]] const YamlValue* find(std::string_view wanted) const;
};

// The document's root (null when the text is empty). Problems are added to `problems`; a syntax
// error ends the reading, then the root is null.
[[nodiscard]] YamlValue read_yaml(const std::string& text, std::vector<YamlProblem>& problems);

}  // namespace thoughtrank
