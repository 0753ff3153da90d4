#include "report/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

// The plot's place in the picture, in pixels.
constexpr double kWidth = 880, kHeight = 400;
constexpr double kLeft = 56, kRight = 540, kTop = 44, kBottom = 346;
constexpr double kLegendLeft = kRight + 24, kLegendStep = 22;

// Colours that colour-blind readers tell apart (Okabe and Ito 2008), without black and yellow,
// which a dark or a light page swallows.
constexpr std::array<const char*, 6> kColours = {
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
constexpr const char* kInk = "#808080";  // legible on white and on black

const char* colour(size_t line) { return kColours.at(line % kColours.size()); }

// Lines beyond the colours are dashed.
std::string dash(size_t line) { return line < kColours.size() ? "" : " stroke-dasharray=\"6 3\""; }

// Where values stand in the picture.
class Scale {
 public:
  explicit Scale(const LineChart& chart) : highest_(chart.y_highest) {
    for (const ChartLine& line : chart.lines) points_ = std::max(points_, line.y.size());
  }
  [[nodiscard]] size_t points() const { return points_; }
  [[nodiscard]] double x(size_t point) const {
    if (points_ < 2) return (kLeft + kRight) / 2;
    return kLeft + (kRight - kLeft) * static_cast<double>(point) / static_cast<double>(points_ - 1);
  }
  [[nodiscard]] double y(double value) const {
    const double share = std::clamp(value / highest_, 0.0, 1.0);
    return kBottom - (kBottom - kTop) * share;
  }

 private:
  double highest_;
  size_t points_ = 1;
};

std::string text_at(double x, double y, const std::string& anchor, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                     x,
                     y,
                     anchor,
                     xml_text(text));
}

std::string axes(const LineChart& chart, const Scale& scale) {
  constexpr int kSteps = 5;
  std::string svg;
  for (int n = 0; n <= kSteps; ++n) {
    const double value = chart.y_highest * n / kSteps;
    svg += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\" "
        "stroke-opacity=\"0.3\"/>\n",
        kLeft,
        kRight,
        scale.y(value),
        kInk);
    svg += text_at(kLeft - 8, scale.y(value) + 4, "end", fmt::format("{:g}", value));
  }
  for (size_t n = 0; n < scale.points(); ++n) {
    svg += text_at(scale.x(n), kBottom + 20, "middle", fmt::format("{}", n));
  }
  svg += text_at((kLeft + kRight) / 2, kBottom + 42, "middle", chart.x_name);
  svg += text_at(kLeft, kTop - 8, "start", chart.y_name);
  return svg;
}

// Of a level, whose name stands in the legend: beside it, curves would cross it.
constexpr const char* kDots = " stroke-dasharray=\"2 4\"";

std::string level(const ChartLevel& level, const Scale& scale) {
  return fmt::format(
      "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\" "
      "stroke-width=\"1.5\"{4}/>\n",
      kLeft,
      kRight,
      scale.y(level.y),
      kInk,
      kDots);
}

// The runs of points that are numbers: [from, to).
std::vector<std::pair<size_t, size_t>> stretches(const std::vector<double>& values) {
  std::vector<std::pair<size_t, size_t>> found;
  for (size_t n = 0; n < values.size(); ++n) {
    if (!std::isfinite(values[n])) continue;
    if (found.empty() || found.back().second != n) found.emplace_back(n, n);
    found.back().second = n + 1;
  }
  return found;
}

std::string band(const ChartLine& line, size_t number, const Scale& scale) {
  std::string svg;
  if (line.low.size() != line.y.size() || line.high.size() != line.y.size()) return svg;
  for (const auto& [from, to] : stretches(line.y)) {
    std::string points;
    for (size_t n = from; n < to; ++n) {
      points += fmt::format("{:.1f},{:.1f} ", scale.x(n), scale.y(line.high[n]));
    }
    for (size_t n = to; n > from; --n) {
      points += fmt::format("{:.1f},{:.1f} ", scale.x(n - 1), scale.y(line.low[n - 1]));
    }
    svg += fmt::format(
        "<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"0.13\"/>\n", points, colour(number));
  }
  return svg;
}

std::string curve(const ChartLine& line, size_t number, const Scale& scale) {
  std::string svg;
  for (const auto& [from, to] : stretches(line.y)) {
    std::string points;
    for (size_t n = from; n < to; ++n) {
      points += fmt::format("{:.1f},{:.1f} ", scale.x(n), scale.y(line.y[n]));
      svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n",
                         scale.x(n),
                         scale.y(line.y[n]),
                         colour(number));
    }
    svg +=
        fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}/>\n",
                    points,
                    colour(number),
                    dash(number));
  }
  return svg;
}

std::string legend(const LineChart& chart) {
  std::string svg;
  double y = kTop + 8;
  const auto add = [&](const std::string& name, const char* stroke, const std::string& dashes) {
    svg += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\" "
        "stroke-width=\"2\"{4}/>\n",
        kLegendLeft,
        kLegendLeft + 22,
        y,
        stroke,
        dashes);
    svg += text_at(kLegendLeft + 30, y + 4, "start", name);
    y += kLegendStep;
  };
  for (size_t n = 0; n < chart.lines.size(); ++n) add(chart.lines[n].name, colour(n), dash(n));
  for (const ChartLevel& line : chart.levels) add(line.name, kInk, kDots);
  return svg;
}

}  // namespace

std::string xml_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else if (c == '"') {
      escaped += "&quot;";
    } else if (byte >= 0x20 || c == '\n' || c == '\t') {
      escaped += c;
    }
  }
  return escaped;
}

std::string draw(const LineChart& chart) {
  const Scale scale(chart);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"13\" fill=\"{2}\" "
      "role=\"img\">\n<title>{3}</title>\n",
      kWidth,
      kHeight,
      kInk,
      xml_text(chart.title));
  svg += fmt::format("<text x=\"{}\" y=\"20\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
                     kLeft,
                     xml_text(chart.title));
  svg += axes(chart, scale);
  for (size_t n = 0; n < chart.lines.size(); ++n) svg += band(chart.lines[n], n, scale);
  for (const ChartLevel& line : chart.levels) svg += level(line, scale);
  for (size_t n = 0; n < chart.lines.size(); ++n) svg += curve(chart.lines[n], n, scale);
  return svg + legend(chart) + "</svg>\n";
}

}  // namespace thoughtrank
