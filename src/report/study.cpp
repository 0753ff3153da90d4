// From the rows of a study to means, intervals and differences.
#include "thoughtrank/report/study.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <tuple>
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

double mean_of(const SeedValues& values) {
  double sum = 0;
  for (const auto& [question, value] : values) sum += value;
  return sum / static_cast<double>(values.size());
}

struct Interval {
  double low, high;
};

// Student's t over the seeds' means.
Interval over_seeds(const std::vector<double>& means, double mean) {
  const auto n = static_cast<double>(means.size());
  double squares = 0;
  for (const double each : means) squares += (each - mean) * (each - mean);
  const double half = student_975(means.size() - 1) * std::sqrt(squares / (n - 1) / n);
  return {mean - half, mean + half};
}

// Over the questions: deviations from the seeds' means, those of a question taken together.
Interval over_questions(const std::vector<SeedValues>& seeds,
                        const std::vector<double>& means,
                        double mean,
                        Measure measure) {
  std::map<std::string, double> deviations;
  for (size_t s = 0; s < seeds.size(); ++s) {
    const auto parts = static_cast<double>(seeds.size() * seeds[s].size());
    for (const auto& [question, value] : seeds[s]) {
      deviations[question] += (value - means[s]) / parts;
    }
  }
  const auto n = static_cast<double>(deviations.size());
  double squares = 0;  // a question's mean square
  for (const auto& [question, deviation] : deviations) squares += n * deviation * deviation;
  // The questions of every outcome: two right and two wrong; or half of one gained, half of one
  // lost and one as before.
  const double added = measure == Measure::accuracy ? 4 : 2;
  const double centre = measure == Measure::accuracy ? 0.5 : 0;
  const double spread = measure == Measure::accuracy ? 0.25 : 0.5;  // their mean square around it
  const double all = n + added;
  const double shifted = (n * mean + added * centre) / all;
  const auto square = [](double x) { return x * x; };
  const double variance =
      (n * (squares + square(mean - shifted)) + added * (spread + square(centre - shifted))) / all;
  const double half =
      student_975(std::max<size_t>(deviations.size(), 2) - 1) * std::sqrt(variance / all);
  return {shifted - half, shifted + half};
}

// Right answers by question: of one seed, arm, round and form.
using Right = SeedValues;
struct Cell {
  std::string arm;
  int64_t seed = 0;
  int64_t round = 0;
  AnswerForm form = AnswerForm::thought;
  bool operator<(const Cell& other) const {
    return std::tie(arm, seed, round, form) <
           std::tie(other.arm, other.seed, other.round, other.form);
  }
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
    std::vector<SeedValues> values;
    for (const int64_t seed : design_.seeds) {
      const Right* right = find({arm, seed, round, form});
      if (right != nullptr) values.push_back(*right);
    }
    return study_mean(values, Measure::accuracy);
  }

  // Mean over pairs of cells of (first - second), prompt by prompt, over the seeds that have all.
  [[nodiscard]] std::optional<StudyMean> difference(
      const std::function<std::vector<std::pair<Cell, Cell>>(int64_t seed)>& pairs_of) const {
    std::vector<SeedValues> values;
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
      for (auto& [prompt, sum] : sums) sum /= static_cast<double>(pairs.size());
      values.push_back(std::move(sums));
    }
    return study_mean(values, Measure::difference);
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

// The arm's gain from its round 0 to the last as a share of the first arm's, over the seeds that
// both have. Nothing where the first arm's is not beyond chance.
std::optional<double> share_of_gain(const std::string& arm,
                                    const TaskRows& rows,
                                    const StudyDesign& design) {
  const std::string& first = design.arms.front().name;
  const auto gain = [&](const std::string& of, const std::string& beside) {
    return rows.difference([&](int64_t seed) -> std::vector<std::pair<Cell, Cell>> {
      if (rows.find(cell(beside, seed, design.rounds)) == nullptr) return {};
      return {{cell(of, seed, design.rounds), cell(of, seed, 0)}};
    });
  };
  const auto part = gain(arm, first), whole = gain(first, arm);
  if (!part || !whole || !(whole->low > 0)) return {};
  return part->value / whole->value;
}

// Seeds of which the last round is not there, and why, as far as it is known.
std::vector<std::string> endings_of(const std::string& arm,
                                    const TaskRows& rows,
                                    const StudyDesign& design,
                                    const std::vector<StudyEnding>& endings,
                                    const std::string& task) {
  std::vector<std::string> found;
  for (const StudyEnding& ending : endings) {
    if (ending.task != task || ending.arm != arm) continue;
    if (rows.find(cell(arm, ending.seed, design.rounds)) != nullptr) continue;
    found.push_back(fmt::format("seed {} ended: {}", ending.seed, ending.reason));
  }
  return found;
}

TaskResult task_result(const StudyDesign& design,
                       const StudyDesign::Variant& variant,
                       const std::vector<StudyRow>& all,
                       const std::vector<StudyEnding>& endings) {
  const TaskRows rows(design, variant.name, all);
  TaskResult task;
  task.task = variant.name;
  task.about = variant.about;
  const std::string& first = design.arms.front().name;
  find_untrained(task, rows, first);
  std::set<std::string> questions;
  for (const int64_t seed : design.seeds) {
    const Right* untrained = rows.find(cell(first, seed, 0));
    if (untrained == nullptr) continue;
    ++task.seeds;
    task.heldout = std::ssize(*untrained);
    for (const auto& [question, right] : *untrained) questions.insert(question);
  }
  task.questions = std::ssize(questions);
  for (const StudyDesign::Variant& arm : design.arms) {
    if (!arm.works_on(variant.name)) continue;
    ArmResult result;
    result.arm = arm.name;
    result.about = arm.about;
    for (int64_t round = 0; round <= design.rounds; ++round) {
      result.accuracy.push_back(rows.accuracy(arm.name, round));
      result.right_branches.push_back(rows.right_branches(arm.name, round));
    }
    compare(result, task, rows, design);
    result.share_of_gain = share_of_gain(arm.name, rows, design);
    if (result.accuracy.back()) result.seeds = result.accuracy.back()->seeds;
    result.endings = endings_of(arm.name, rows, design, endings, variant.name);
    task.arms.push_back(std::move(result));
  }
  return task;
}

}  // namespace

std::optional<StudyMean> study_mean(const std::vector<SeedValues>& all, Measure measure) {
  std::vector<SeedValues> seeds;
  std::set<std::string> questions;
  for (const SeedValues& seed : all) {
    if (!seed.empty()) seeds.push_back(seed);
    for (const auto& [question, value] : seed) questions.insert(question);
  }
  if (seeds.empty()) return {};
  std::vector<double> means;
  means.reserve(seeds.size());
  for (const SeedValues& seed : seeds) means.push_back(mean_of(seed));
  double mean = 0;
  for (const double each : means) mean += each / static_cast<double>(means.size());
  Interval hull = over_questions(seeds, means, mean, measure);
  if (means.size() > 1) {
    const Interval wide = over_seeds(means, mean);
    hull = {std::min(hull.low, wide.low), std::max(hull.high, wide.high)};
  }
  const double lowest = measure == Measure::accuracy ? 0 : -1;
  return StudyMean{.value = kPoints * mean,
                   .low = kPoints * std::max(lowest, std::min(hull.low, mean)),
                   .high = kPoints * std::min(1.0, std::max(hull.high, mean)),
                   .seeds = std::ssize(seeds),
                   .questions = std::ssize(questions)};
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
  const fs::path ends = folder / kStudyEndings;
  const auto endings = fs::exists(ends) ? read_rows<StudyEnding>(ends) : std::vector<StudyEnding>();
  for (const StudyDesign::Variant& task : report.design.tasks) {
    report.tasks.push_back(task_result(report.design, task, rows, endings));
  }
  return report;
}

}  // namespace thoughtrank
