// The tables, sentences and charts of a study.
#include <algorithm>
#include <cmath>
#include <limits>

#include "report/chart.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/data/answer_form.h"
#include "thoughtrank/report/study.h"

namespace thoughtrank {

namespace {

using Cells = std::vector<std::string>;

// "42.5 ± 6.1"
std::string mean_text(const std::optional<StudyMean>& mean) {
  return mean ? fmt::format("{:.1f} ± {:.1f}", mean->value, mean->half_width) : "–";
}

std::string difference_text(const std::optional<StudyMean>& mean) {
  return mean ? fmt::format("{:+.1f} ± {:.1f}", mean->value, mean->half_width) : "–";
}

// Characters, so that "±" and "–" do not shift the columns.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// A Markdown table whose columns stand under each other.
std::string markdown_table(const std::vector<Cells>& rows) {
  std::vector<size_t> widths;
  for (const Cells& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t n = 0; n < row.size(); ++n) widths[n] = std::max(widths[n], width_of(row[n]));
  }
  std::string text;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t n = 0; n < rows[r].size(); ++n) {
      text += "| " + rows[r][n] + std::string(widths[n] - width_of(rows[r][n]) + 1, ' ');
    }
    text += "|\n";
    if (r > 0) continue;
    for (const size_t width : widths) text += "|" + std::string(width + 2, '-');
    text += "|\n";
  }
  return text;
}

std::string accuracy_table(const StudyReport& report, const TaskResult& task) {
  const std::string& first = report.design.arms.front().name;
  Cells head = {"arm"};
  for (int64_t n = 0; n <= report.design.rounds; ++n) head.push_back(fmt::format("round {}", n));
  head.insert(head.end(), {"last − " + first, "mean − " + first, "gain kept"});
  std::vector<Cells> rows = {head};
  for (const ArmResult& arm : task.arms) {
    Cells row = {arm.arm};
    for (const auto& accuracy : arm.accuracy) row.push_back(mean_text(accuracy));
    row.push_back(difference_text(arm.last_minus_first_arm));
    row.push_back(difference_text(arm.mean_minus_first_arm));
    row.push_back(arm.share_of_gain ? fmt::format("{:.0f} %", 100 * *arm.share_of_gain) : "–");
    rows.push_back(std::move(row));
  }
  return markdown_table(rows);
}

std::string branches_table(const StudyReport& report, const TaskResult& task) {
  Cells head = {"arm"};
  for (int64_t n = 1; n <= report.design.rounds; ++n) head.push_back(fmt::format("round {}", n));
  std::vector<Cells> rows = {head};
  for (const ArmResult& arm : task.arms) {
    Cells row = {arm.arm};
    bool has_any = false;
    for (size_t n = 1; n < arm.right_branches.size(); ++n) {
      const auto& share = arm.right_branches[n];
      has_any = has_any || share.has_value();
      row.push_back(share ? fmt::format("{:.0f}", *share) : "–");
    }
    if (has_any) rows.push_back(std::move(row));
  }
  return rows.size() < 2 ? "" : markdown_table(rows);
}

std::string called(const ArmResult& arm) { return arm.about.empty() ? arm.arm : arm.about; }

// "ends 12.0 ± 5.0 points above X" or "… and X do not differ beyond chance".
std::string ends_beside(const StudyMean& difference, const std::string& other) {
  if (!difference.is_clear()) {
    return fmt::format("ends no further from {} than chance goes ({:+.1f} ± {:.1f} points)",
                       other,
                       difference.value,
                       difference.half_width);
  }
  return fmt::format("ends {:.1f} ± {:.1f} points {} {}",
                     std::abs(difference.value),
                     difference.half_width,
                     difference.value > 0 ? "above" : "below",
                     other);
}

// The sentences on one task, the first arm's own before its comparisons.
std::vector<std::string> sentences(const TaskResult& task) {
  std::vector<std::string> found;
  const ArmResult& first = task.arms.front();
  const std::string who = task.task + ": " + called(first);
  if (first.last_minus_untrained && task.untrained_form) {
    found.push_back(who + " " +
                    ends_beside(*first.last_minus_untrained,
                                fmt::format("the untrained model in its best form, {} ({:.1f} %)",
                                            describe_form(*task.untrained_form),
                                            task.untrained->value)));
  }
  if (first.last_minus_best_round) {
    found.push_back(who + " " +
                    ends_beside(*first.last_minus_best_round,
                                fmt::format("its best round, {},", first.best_round)));
  }
  for (const ArmResult& arm : task.arms) {
    if (!arm.last_minus_first_arm) continue;
    StudyMean against = *arm.last_minus_first_arm;  // the first arm's view
    against.value = -against.value;
    std::string sentence = who + " " + ends_beside(against, called(arm));
    if (arm.mean_minus_first_arm) {
      sentence += fmt::format("; in the mean over the rounds {:+.1f} ± {:.1f}",
                              -arm.mean_minus_first_arm->value,
                              arm.mean_minus_first_arm->half_width);
    }
    found.push_back(sentence);
  }
  return found;
}

std::string task_text(const StudyReport& report, const TaskResult& task) {
  std::string text =
      fmt::format("## {}{}{}\n\n", task.task, task.about.empty() ? "" : ": ", task.about);
  if (task.seeds == 0) return text + "Nothing has been measured yet.\n";
  text += fmt::format(
      "Held-out right in percent, asked without examples after a forced thought: {} questions, {} "
      "of "
      "{} seeds.\n",
      task.heldout,
      task.seeds,
      report.design.seeds.size());
  if (task.untrained_form) {
    text += fmt::format("The untrained model's best form is {}: {}.\n",
                        describe_form(*task.untrained_form),
                        mean_text(task.untrained));
  }
  text += "\n" + accuracy_table(report, task) + "\n";
  const std::string branches = branches_table(report, task);
  if (!branches.empty()) {
    text += "Right branches in percent, while a round was generated:\n\n" + branches + "\n";
  }
  for (const std::string& sentence : sentences(task)) text += "- " + sentence + ".\n";
  return text;
}

Json mean_json(const std::optional<StudyMean>& mean) {
  if (!mean) return nullptr;
  return {{"value", mean->value},
          {"low", mean->value - mean->half_width},
          {"high", mean->value + mean->half_width},
          {"seeds", mean->seeds},
          {"prompts", mean->prompts}};
}

template <class Value>
Json value_json(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json arm_json(const ArmResult& arm) {
  Json accuracy = Json::array(), branches = Json::array();
  for (const auto& round : arm.accuracy) accuracy.push_back(mean_json(round));
  for (const auto& round : arm.right_branches) branches.push_back(value_json(round));
  return {{"arm", arm.arm},
          {"about", arm.about},
          {"accuracy", accuracy},
          {"right_branches", branches},
          {"last_minus_first_arm", mean_json(arm.last_minus_first_arm)},
          {"mean_minus_first_arm", mean_json(arm.mean_minus_first_arm)},
          {"last_minus_untrained", mean_json(arm.last_minus_untrained)},
          {"best_round", arm.best_round},
          {"last_minus_best_round", mean_json(arm.last_minus_best_round)},
          {"share_of_gain", value_json(arm.share_of_gain)}};
}

}  // namespace

std::string format_study(const StudyReport& report) {
  std::string text;
  for (const TaskResult& task : report.tasks)
    text += (text.empty() ? "" : "\n") + task_text(report, task);
  return text +
         "\nMean over seeds ± half a 95 % interval: the larger of Student's t over the seeds and "
         "the "
         "normal one over\nthe questions within them. Differences are taken question by question. "
         "Gain "
         "kept: the arm's gain in the last\nround over the untrained model asked alike, as a share "
         "of "
         "the first arm's.\n";
}

Json to_json(const StudyReport& report) {
  Json tasks = Json::array();
  for (const TaskResult& task : report.tasks) {
    Json arms = Json::array();
    for (const ArmResult& arm : task.arms) arms.push_back(arm_json(arm));
    const Json form =
        task.untrained_form ? Json(word_of(*task.untrained_form, kAnswerForms)) : Json();
    tasks.push_back({{"task", task.task},
                     {"heldout", task.heldout},
                     {"seeds", task.seeds},
                     {"untrained_form", form},
                     {"untrained", mean_json(task.untrained)},
                     {"untrained_alike", mean_json(task.untrained_alike)},
                     {"arms", arms},
                     {"sentences", task.seeds == 0 ? Cells() : sentences(task)}});
  }
  return {{"design", to_json(report.design)}, {"tasks", tasks}};
}

std::string study_chart(const TaskResult& task) {
  LineChart chart{.title = fmt::format("{}: held-out right, asked without examples", task.task),
                  .x_name = "round",
                  .y_name = fmt::format("% of {} questions, seeds: {}", task.heldout, task.seeds),
                  .lines = {}};
  for (const ArmResult& arm : task.arms) {
    ChartLine line{.name = arm.arm, .y = {}, .low = {}, .high = {}};
    for (const auto& accuracy : arm.accuracy) {
      const double none = std::numeric_limits<double>::quiet_NaN();
      line.y.push_back(accuracy ? accuracy->value : none);
      line.low.push_back(accuracy ? accuracy->value - accuracy->half_width : none);
      line.high.push_back(accuracy ? accuracy->value + accuracy->half_width : none);
    }
    chart.lines.push_back(std::move(line));
  }
  if (task.untrained_form) {
    chart.levels.push_back(
        {.name = "untrained, " + describe_form(*task.untrained_form), .y = task.untrained->value});
  }
  return draw(chart);
}

void publish_study_report(const fs::path& folder, const StudyReport& report) {
  for (const TaskResult& task : report.tasks) {
    publish_file(folder / (task.task + ".svg"), study_chart(task));
  }
  publish_file(folder / "study.md", format_study(report));
  publish_file(folder / "study.json", to_json(report).dump(2) + "\n");
}

}  // namespace thoughtrank
