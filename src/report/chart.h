// Charts as SVG text that stands by itself: no script, no font or style from elsewhere, legible on
// light and dark pages. Pure functions.
#pragma once

#include <string>
#include <vector>

namespace thoughtrank {

// A point that is no number is left out, with the line through it.
struct ChartLine {
  std::string name;
  std::vector<double> y;    // at x = 0, 1, 2, …
  std::vector<double> low;  // of the band around the line; empty: no band
  std::vector<double> high;
};

// A level to compare with, drawn across the whole chart.
struct ChartLevel {
  std::string name;
  double y = 0;
};

struct LineChart {
  std::string title;
  std::string x_name;
  std::string y_name;
  double y_highest = 100;  // the axis begins at 0
  std::vector<ChartLine> lines;
  std::vector<ChartLevel> levels = {};
};

[[nodiscard]] std::string draw(const LineChart& chart);

// Text as it may stand in XML: "a < b" becomes "a &lt; b"; what no XML may hold is left out.
[[nodiscard]] std::string xml_text(const std::string& text);

}  // namespace thoughtrank
