// From the rows of a study to means, intervals and differences.
#include "thoughtrank/report/study.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include "thoughtrank/core/files.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {

namespace {

constexpr double kPoints = 100;  // in a whole
constexpr double kNormal975 = 1.959964;

// The 97.5 % quantile of Student's t; above the table the first terms of its series around the
// normal one (Abramowitz and Stegun 26.7.5).
double student_975(size_t freedom) {
  constexpr std::array<double, 10> kTable = {
      12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281};
  if (freedom <= kTable.size()) return kTable.at(freedom - 1);
  const auto n = static_cast<double>(freedom);
  const double z = kNormal975, z3 = z * z * z, z5 = z3 * z * z;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n);
}

struct Moments {
  double mean = 0;
  double variance = 0;  // of the values, unbiased; 0 for fewer than two
};

Moments moments(const std::vector<double>& values) {
  Moments found;
  const auto n = static_cast<double>(values.size());
  for (const double value : values) found.mean += value / n;
  if (values.size() < 2) return found;
  for (const double value : values) {
    found.variance += (value - found.mean) * (value - found.mean) / (n - 1);
  }
  return found;
}

// Right answers by prompt: of one seed, arm, round and form.
using Right = std::map<std::string, double>;
struct Cell {
  std::string arm;
  int64_t seed = 0;
  int64_t round = 0;
  AnswerForm form = AnswerForm::thought;
  auto operator<=>(const Cell&) const = default;
};

// The rows of one task.
class TaskRows {
 public:
  TaskRows(const StudyDesign& design, const std::string& task, const std::vector<StudyRow>& rows)
      : design_(design) {
    for (const StudyRow& row : rows) {
      if (row.task != task) continue;
      Right& right = cells_[{row.arm, row.seed, row.round, row.form}];
      for (size_t n = 0; n < row.prompt_ids.size(); ++n) {
        right[row.prompt_ids[n]] = static_cast<double>(row.right[n]);
      }
      if (row.branches == 0) continue;
      auto& [sum, count] = branches_[{row.arm, row.round}];
      sum += static_cast<double>(row.branches_right) / static_cast<double>(row.branches);
      count += 1;
    }
  }

  [[nodiscard]] const Right* find(const Cell& cell) const {
    const auto found = cells_.find(cell);
    return found == cells_.end() ? nullptr : &found->second;
  }

  [[nodiscard]] std::optional<StudyMean> accuracy(const std::string& arm,
                                                  int64_t round,
                                                  AnswerForm form = AnswerForm::thought) const {
    std::vector<std::vector<double>> values;
    for (const int64_t seed : design_.seeds) {
      const Right* right = find({arm, seed, round, form});
      if (right == nullptr) continue;
      std::vector<double>& of_seed = values.emplace_back();
      for (const auto& [prompt, is_right] : *right) of_seed.push_back(is_right);
    }
    return study_mean(values);
  }

  // Mean over pairs of cells of (first - second), prompt by prompt, over the seeds that have all.
  [[nodiscard]] std::optional<StudyMean> difference(
      const std::function<std::vector<std::pair<Cell, Cell>>(int64_t seed)>& pairs_of) const {
    std::vector<std::vector<double>> values;
    for (const int64_t seed : design_.seeds) {
      const auto pairs = pairs_of(seed);
      std::map<std::string, double> sums;
      bool is_whole = !pairs.empty();
      for (const auto& [first, second] : pairs) {
        const Right* a = find(first);
        const Right* b = find(second);
        is_whole = is_whole && a != nullptr && b != nullptr;
        if (!is_whole) break;
        for (const auto& [prompt, is_right] : *a) {
          const auto other = b->find(prompt);
          if (other != b->end()) sums[prompt] += is_right - other->second;
        }
      }
      if (!is_whole) continue;
      std::vector<double>& of_seed = values.emplace_back();
      for (const auto& [prompt, sum] : sums) {
        of_seed.push_back(sum / static_cast<double>(pairs.size()));
      }
    }
    return study_mean(values);
  }

  [[nodiscard]] std::optional<double> right_branches(const std::string& arm, int64_t round) const {
    const auto found = branches_.find({arm, round});
    if (found == branches_.end()) return {};
    return kPoints * found->second.first / found->second.second;
  }

 private:
  const StudyDesign& design_;
  std::map<Cell, Right> cells_;
  std::map<std::pair<std::string, int64_t>, std::pair<double, double>> branches_;
};

Cell cell(const std::string& arm,
          int64_t seed,
          int64_t round,
          AnswerForm form = AnswerForm::thought) {
  return {.arm = arm, .seed = seed, .round = round, .form = form};
}

// The untrained model's form with the highest accuracy, by the first arm, whose judge has no part
// in it; the earlier of equals.
void find_untrained(TaskResult& task, const TaskRows& rows, const std::string& arm) {
  task.untrained_alike = rows.accuracy(arm, 0);
  for (const EnumWord<AnswerForm>& form : kAnswerForms) {
    const auto accuracy = rows.accuracy(arm, 0, form.value);
    if (!accuracy || (task.untrained && accuracy->value <= task.untrained->value)) continue;
    task.untrained = accuracy;
    task.untrained_form = form.value;
  }
}

int64_t best_round_of(const ArmResult& arm) {
  int64_t best = 0;
  for (size_t n = 1; n < arm.accuracy.size(); ++n) {
    const auto& now = arm.accuracy[n];
    const auto& before = arm.accuracy[static_cast<size_t>(best)];
    if (now && (best == 0 || now->value > before->value)) best = static_cast<int64_t>(n);
  }
  return best;
}

void compare(ArmResult& arm,
             const TaskResult& task,
             const TaskRows& rows,
             const StudyDesign& design) {
  const std::string& name = arm.arm;
  const std::string& first = design.arms.front().name;
  const int64_t last = design.rounds;
  const auto one = [&](const Cell& a, const Cell& b) {
    return std::vector<std::pair<Cell, Cell>>{{a, b}};
  };
  if (name != first) {
    arm.last_minus_first_arm = rows.difference(
        [&](int64_t seed) { return one(cell(name, seed, last), cell(first, seed, last)); });
    arm.mean_minus_first_arm = rows.difference([&](int64_t seed) {
      std::vector<std::pair<Cell, Cell>> pairs;
      for (int64_t n = 1; n <= last; ++n) {
        pairs.emplace_back(cell(name, seed, n), cell(first, seed, n));
      }
      return pairs;
    });
  }
  if (task.untrained_form) {
    arm.last_minus_untrained = rows.difference([&](int64_t seed) {
      return one(cell(name, seed, last), cell(first, seed, 0, *task.untrained_form));
    });
  }
  arm.best_round = best_round_of(arm);
  if (arm.best_round > 0 && arm.best_round < last) {
    arm.last_minus_best_round = rows.difference([&](int64_t seed) {
      return one(cell(name, seed, last), cell(name, seed, arm.best_round));
    });
  }
}

// In points over the untrained model asked alike, in the last round.
std::optional<double> gain_of(const ArmResult& arm, const TaskResult& task) {
  if (!arm.accuracy.back() || !task.untrained_alike) return {};
  return arm.accuracy.back()->value - task.untrained_alike->value;
}

TaskResult task_result(const StudyDesign& design,
                       const StudyDesign::Variant& variant,
                       const std::vector<StudyRow>& all) {
  const TaskRows rows(design, variant.name, all);
  TaskResult task;
  task.task = variant.name;
  task.about = variant.about;
  const std::string& first = design.arms.front().name;
  find_untrained(task, rows, first);
  for (const int64_t seed : design.seeds) {
    const Right* untrained = rows.find(cell(first, seed, 0));
    if (untrained == nullptr) continue;
    ++task.seeds;
    task.heldout = std::ssize(*untrained);
  }
  for (const StudyDesign::Variant& arm : design.arms) {
    ArmResult result;
    result.arm = arm.name;
    result.about = arm.about;
    for (int64_t round = 0; round <= design.rounds; ++round) {
      result.accuracy.push_back(rows.accuracy(arm.name, round));
      result.right_branches.push_back(rows.right_branches(arm.name, round));
    }
    compare(result, task, rows, design);
    task.arms.push_back(std::move(result));
  }
  const auto whole = gain_of(task.arms.front(), task);
  for (ArmResult& arm : task.arms) {
    const auto part = gain_of(arm, task);
    if (part && whole && *whole > 0) arm.share_of_gain = *part / *whole;
  }
  return task;
}

}  // namespace

std::optional<StudyMean> study_mean(const std::vector<std::vector<double>>& values) {
  StudyMean result;
  std::vector<double> means;
  double within = 0;  // sum over seeds of the variance of a seed's mean
  for (const std::vector<double>& of_seed : values) {
    if (of_seed.empty()) continue;
    const Moments seed = moments(of_seed);
    means.push_back(seed.mean);
    within += seed.variance / static_cast<double>(of_seed.size());
    result.prompts += std::ssize(of_seed);
  }
  if (means.empty()) return {};
  const Moments over_seeds = moments(means);
  const auto n = static_cast<double>(means.size());
  double half = kNormal975 * std::sqrt(within) / n;
  if (means.size() > 1) {
    half = std::max(half, student_975(means.size() - 1) * std::sqrt(over_seeds.variance / n));
  }
  result.seeds = std::ssize(means);
  result.value = kPoints * over_seeds.mean;
  result.half_width = kPoints * half;
  return result;
}

StudyReport read_study(const fs::path& folder) {
  const fs::path design = folder / kStudyDesign;
  if (!fs::exists(design)) {
    fail(ExitCode::kMissingInput,
         "{}: there is no study in it (no {}). `thoughtrank study --config …` begins one",
         folder.string(),
         kStudyDesign);
  }
  StudyReport report;
  report.design =
      study_design_from(parse_json(read_file(design), design.string()), design.string());
  const auto rows = read_rows<StudyRow>(folder / kStudyResults);
  for (const StudyDesign::Variant& task : report.design.tasks) {
    report.tasks.push_back(task_result(report.design, task, rows));
  }
  return report;
}

}  // namespace thoughtrank
