// The tables, sentences and charts of a study.
#include <algorithm>
#include <cmath>
#include <limits>

#include "report/chart.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/data/answer_form.h"
#include "thoughtrank/data/telling.h"
#include "thoughtrank/report/study.h"

namespace thoughtrank {

namespace {

using Cells = std::vector<std::string>;

// No minus in front of a zero.
double shown(double value) { return std::abs(value) < 0.05 ? 0 : value; }

// "42.5 [36.4, 48.9]"
std::string mean_text(const std::optional<StudyMean>& mean) {
  if (!mean) return "–";
  return fmt::format("{:.1f} [{:.1f}, {:.1f}]", mean->value, shown(mean->low), shown(mean->high));
}

std::string difference_text(const StudyMean& mean) {
  return fmt::format(
      "{:+.1f} [{:+.1f}, {:+.1f}]", shown(mean.value), shown(mean.low), shown(mean.high));
}
std::string difference_text(const std::optional<StudyMean>& mean) {
  return mean ? difference_text(*mean) : "–";
}

// The other's view of a difference.
StudyMean reversed(const StudyMean& mean) {
  StudyMean other = mean;
  other.value = -mean.value;
  other.low = -mean.high;
  other.high = -mean.low;
  return other;
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
  head.insert(head.end(), {"last − " + first, "mean − " + first, "gain kept", "seeds"});
  std::vector<Cells> rows = {head};
  for (const ArmResult& arm : task.arms) {
    Cells row = {arm.arm};
    for (const auto& accuracy : arm.accuracy) row.push_back(mean_text(accuracy));
    row.push_back(difference_text(arm.last_minus_first_arm));
    row.push_back(difference_text(arm.mean_minus_first_arm));
    row.push_back(arm.share_of_gain ? fmt::format("{:.0f} %", 100 * *arm.share_of_gain) : "–");
    row.push_back(fmt::format("{} of {}", arm.seeds, report.design.seeds.size()));
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

// "ends 12.0 points [7.1, 16.8] above X" or "cannot be told from X in the end".
std::string ends_beside(const StudyMean& difference, const std::string& other) {
  if (!difference.is_clear()) {
    return fmt::format(
        "cannot be told in the end from {}: {} points", other, difference_text(difference));
  }
  const bool is_above = difference.value > 0;
  const StudyMean distance = is_above ? difference : reversed(difference);
  return fmt::format("ends {:.1f} points [{:.1f}, {:.1f}] {} {}",
                     distance.value,
                     distance.low,
                     distance.high,
                     is_above ? "above" : "below",
                     other);
}

// The sentences on one task, the first arm's own before its comparisons.
std::vector<std::string> sentences(const TaskResult& task, int64_t seeds) {
  std::vector<std::string> found;
  for (const ArmResult& arm : task.arms) {
    for (const std::string& ending : arm.endings) {
      found.push_back(fmt::format("{}: {}, {}", task.task, called(arm), ending));
    }
  }
  if (task.questions < kTellingQuestions) {
    found.push_back(fmt::format("{}: {} questions tell nothing of the arms: raise prompts.holdout",
                                task.task,
                                task.questions));
    return found;
  }
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
                                fmt::format("its best one, round {}", first.best_round)));
  }
  for (const ArmResult& arm : task.arms) {
    if (!arm.last_minus_first_arm) continue;
    std::string sentence =
        who + " " + ends_beside(reversed(*arm.last_minus_first_arm), called(arm));
    if (arm.mean_minus_first_arm) {
      sentence +=
          "; in the mean over the rounds " + difference_text(reversed(*arm.mean_minus_first_arm));
    }
    if (arm.last_minus_first_arm->seeds < seeds) {
      sentence += fmt::format(" (over {} of {} seeds)", arm.last_minus_first_arm->seeds, seeds);
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
      "Held-out right in percent, asked without examples: {} questions a seed, {} in all, {} of {} "
      "seeds begun.\n",
      task.heldout,
      task.questions,
      task.seeds,
      report.design.seeds.size());
  if (task.untrained_form) {
    text += fmt::format("The untrained model's best form, by these questions, is {}: {}.\n",
                        describe_form(*task.untrained_form),
                        mean_text(task.untrained));
  }
  text += "\n" + accuracy_table(report, task) + "\n";
  const std::string branches = branches_table(report, task);
  if (!branches.empty()) {
    text += "Right branches in percent, while a round was generated:\n\n" + branches + "\n";
  }
  for (const std::string& sentence : sentences(task, std::ssize(report.design.seeds))) {
    text += "- " + sentence + (sentence.ends_with('.') ? "\n" : ".\n");
  }
  return text;
}

Json mean_json(const std::optional<StudyMean>& mean) {
  if (!mean) return nullptr;
  return {{"value", mean->value},
          {"low", mean->low},
          {"high", mean->high},
          {"seeds", mean->seeds},
          {"questions", mean->questions}};
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
          {"share_of_gain", value_json(arm.share_of_gain)},
          {"seeds", arm.seeds},
          {"endings", arm.endings}};
}

}  // namespace

std::string format_study(const StudyReport& report) {
  std::string text;
  for (const TaskResult& task : report.tasks)
    text += (text.empty() ? "" : "\n") + task_text(report, task);
  return text +
         "\nMean over seeds [95 % interval]: the wider of one over the questions and, with two "
         "seeds "
         "and more, Student's t\nover the seeds, which two seeds make nearly useless. Differences "
         "are "
         "taken question by question, over the seeds\nthat have both sides. Gain kept: the arm's "
         "gain "
         "from its own round 0 to the last, as a share of the first arm's.\n";
}

Json to_json(const StudyReport& report) {
  Json tasks = Json::array();
  for (const TaskResult& task : report.tasks) {
    Json arms = Json::array();
    for (const ArmResult& arm : task.arms) arms.push_back(arm_json(arm));
    const Json form =
        task.untrained_form ? Json(word_of(*task.untrained_form, kAnswerForms)) : Json();
    tasks.push_back(
        {{"task", task.task},
         {"heldout", task.heldout},
         {"questions", task.questions},
         {"seeds", task.seeds},
         {"untrained_form", form},
         {"untrained", mean_json(task.untrained)},
         {"untrained_alike", mean_json(task.untrained_alike)},
         {"arms", arms},
         {"sentences",
          task.seeds == 0 ? Cells() : sentences(task, std::ssize(report.design.seeds))}});
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
      line.low.push_back(accuracy ? accuracy->low : none);
      line.high.push_back(accuracy ? accuracy->high : none);
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
