#include "judge/judge_reliability.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "judge/audit_plan.h"
#include "judge/verdict_stage.h"

namespace thoughtrank {
namespace {

double place_of(int64_t branch, const std::vector<int64_t>& ranking) {
  return static_cast<double>(std::find(ranking.begin(), ranking.end(), branch) - ranking.begin());
}

// The branches of a set in a fixed order: the same set has the same key.
std::vector<int64_t> set_of(const VerdictRow& row) {
  std::vector<int64_t> branches = row.branches;
  std::sort(branches.begin(), branches.end());
  return branches;
}

// The correlation of the place shown with the place given: +1 when the first shown always wins.
double position_of(const VerdictRow& row) {
  std::vector<double> shown, given;
  for (size_t i = 0; i < row.branches.size(); ++i) {
    shown.push_back(static_cast<double>(i));
    given.push_back(place_of(row.branches[i], row.ranking));
  }
  return spearman(shown, given);
}

}  // namespace

void Comparison::add(const VerdictRow& a, const VerdictRow& b) {
  flips.add(a.ranking[0] == b.ranking[0] ? 0 : 1);
  tau.add(kendall_tau(a.ranking, b.ranking));
}

void JudgeReliability::add(const VerdictRow& row) {
  ++calls;
  abstained += row.abstained ? 1 : 0;
  malformed += row.abstained && !row.reply.empty() ? 1 : 0;
  attempts += row.attempts;
  input_tokens += row.input_tokens;
  output_tokens += row.output_tokens;
  usd += row.usd;
  if (row.abstained || row.ranking.size() < 2) return;
  if (!row.scores.empty()) return;  // each answer was looked at by itself
  position.add(position_of(row));
  if (row.stage == VerdictStage::planted) add_planted(row);
}

void JudgeReliability::add_planted(const VerdictRow& row) {
  const auto last = static_cast<double>(row.ranking.size() - 1);
  const double nonsense = place_of(kPlantedNonsense, row.ranking);
  planted_errors.add(2 * nonsense < last ? 1 : 0);
  planted_wins.add(nonsense == 0 ? 1 : 0);
  int64_t original = kPlantedNonsense;
  for (const int64_t branch : row.branches) {
    if (branch >= 0 && (original < 0 || branch < original)) original = branch;
  }
  const double gap =
      std::abs(place_of(kPlantedDuplicate, row.ranking) - place_of(original, row.ranking));
  duplicate_gap.add((gap - 1) / std::max(1.0, last - 1));
}

double JudgeReliability::share(int64_t count) const {
  return calls == 0 ? 0 : static_cast<double>(count) / static_cast<double>(calls);
}

JudgeReliability reliability_of(const std::vector<const VerdictRow*>& rows) {
  JudgeReliability reliability;
  std::map<std::pair<std::string, std::vector<int64_t>>, const VerdictRow*> first;  // of pass A
  for (const VerdictRow* row : rows) {
    reliability.add(*row);
    if (row->abstained || row->ranking.size() < 2) continue;
    const auto key = std::pair(row->prompt_id, set_of(*row));
    if (row->stage == VerdictStage::pass_a) first[key] = row;
    if (row->stage == VerdictStage::repeat && first.contains(key))
      reliability.repeats.add(*first[key], *row);
  }
  return reliability;
}

// How far two judges agree on the sets that both have ranked in the same stage.
Json agreement(const std::map<std::string, std::vector<const VerdictRow*>>& rows) {
  using Key = std::tuple<std::string, VerdictStage, std::vector<int64_t>>;
  std::map<Key, std::map<std::string, const VerdictRow*>> sets;
  for (const auto& [name, of_judge] : rows) {
    for (const VerdictRow* row : of_judge) {
      if (row->abstained || row->ranking.size() < 2) continue;
      sets[{row->prompt_id, row->stage, set_of(*row)}][name] = row;
    }
  }
  std::map<std::pair<std::string, std::string>, Comparison> pairs;
  for (const auto& [key, by_name] : sets) {
    for (auto a = by_name.begin(); a != by_name.end(); ++a) {
      for (auto b = std::next(a); b != by_name.end(); ++b) {
        pairs[{a->first, b->first}].add(*a->second, *b->second);
      }
    }
  }
  Json list = Json::array();
  for (const auto& [names, comparison] : pairs) {
    list.push_back({{"judges", Json::array({names.first, names.second})},
                    {"other_first", comparison.flips.to_json()},
                    {"kendall_tau", comparison.tau.to_json()}});
  }
  return list;
}

}  // namespace thoughtrank
