#include "judge/select_prompt.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "thoughtrank/core/log.h"
#include "thoughtrank/rank/posterior_regret.h"

namespace thoughtrank {
namespace {

BestOutputRow without_winner(SelectionStatus status, const std::string& reason) {
  BestOutputRow row;
  row.status = status;
  row.reason = reason;
  return row;
}

std::string too_few(const Candidates& candidates) {
  std::string reason = candidates.items.empty() ? "no answer to judge" : "one distinct answer";
  if (!candidates.dropped.empty()) {
    reason += " (dropped: " + describe_dropped(candidates.dropped) + ")";
  }
  return reason;
}

// Winner, runner-up and worst among the first `ranked` items of the row.
void name_places(BestOutputRow& row, size_t ranked) {
  row.winner = row.items[0].branch;
  if (ranked < 2) return;
  row.runner_up = row.items[1].branch;
  row.worst = row.items[ranked - 1].branch;
}

// Each answer's share of the branches.
std::vector<double> shares(const std::vector<Candidate>& items) {
  std::vector<double> share;
  share.reserve(items.size());
  double sum = 0;
  for (const Candidate& item : items) sum += static_cast<double>(item.multiplicity);
  for (const Candidate& item : items) share.push_back(static_cast<double>(item.multiplicity) / sum);
  return share;
}

// Items by falling posterior mean; those that no ranking holds come last, whatever the prior says.
std::vector<size_t> ranked_first(const Posterior& posterior,
                                 const RankingSet& rankings,
                                 size_t& ranked) {
  std::vector<bool> is_ranked(rankings.items, false);
  for (const Ranking& ranking : rankings.rankings) {
    for (const size_t item : ranking) is_ranked[item] = true;
  }
  std::vector<size_t> order = by_mean(posterior);
  const auto end = std::stable_partition(
      order.begin(), order.end(), [&](size_t item) { return is_ranked[item]; });
  ranked = static_cast<size_t>(end - order.begin());
  return order;
}

std::vector<size_t> by_score(const std::vector<double>& scores, RandomStream random) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  random.shuffle(order);  // breaks ties
  std::stable_sort(
      order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  return order;
}

bool reaches(double score, const std::optional<double>& min_score) {
  return !min_score || score >= *min_score;
}

}  // namespace

RankingSet rankings_of(const Candidates& candidates,
                       const std::vector<const VerdictRow*>& verdicts,
                       const std::map<std::string, JudgeScale>& scales) {
  std::map<int64_t, size_t> item_of;
  for (size_t i = 0; i < candidates.items.size(); ++i) item_of[candidates.items[i].branch] = i;
  RankingSet set{.items = candidates.items.size(), .rankings = {}, .lengths = candidates.lengths};
  const double largest = largest_sigma(scales);
  for (const VerdictRow* verdict : verdicts) {
    if (verdict->abstained) continue;
    Ranking ranking;
    for (const int64_t branch : verdict->ranking) {
      const auto found = item_of.find(branch);
      if (found != item_of.end()) ranking.push_back(found->second);
    }
    if (ranking.size() < 2) continue;
    set.rankings.push_back(std::move(ranking));
    if (scales.empty()) continue;
    const JudgeScale& scale = scales.at(verdict->judge);
    set.scales.push_back(scale.sigma / largest);
    if (!set.lengths.empty()) set.length_effects.push_back(scale.length_effect);
  }
  return set;
}

double largest_sigma(const std::map<std::string, JudgeScale>& scales) {
  double largest = kSmallestSigma;
  for (const auto& [name, scale] : scales) largest = std::max(largest, scale.sigma);
  return largest;
}

BestOutputRow select_by_rankings(const Candidates& candidates,
                                 const RankingSet& rankings,
                                 double sigma,
                                 const SelectOptions& select,
                                 const StreamKey& key) {
  const std::vector<Candidate>& items = candidates.items;
  if (items.size() < 2) return without_winner(SelectionStatus::no_candidates, too_few(candidates));
  if (rankings.rankings.empty())
    return without_winner(SelectionStatus::skipped, "no valid ranking");
  const Posterior posterior = fit(rankings, sigma);
  size_t ranked = 0;
  const std::vector<size_t> order = ranked_first(posterior, rankings, ranked);
  const std::vector<double> weights = shares(items);
  const PosteriorRegret regret =
      posterior_regret(posterior, order[0], key.stream("result"), weights);
  BestOutputRow row;
  for (const size_t item : order) {
    std::vector<double> unit(items.size(), 0.0);
    unit[item] = 1;
    row.items.push_back({.branch = items[item].branch,
                         .multiplicity = items[item].multiplicity,
                         .utility = posterior.mean[item],
                         .deviation = posterior.deviation_of(std::move(unit)),
                         .p_best = regret.p_best[item]});
  }
  name_places(row, ranked);
  row.regret = regret.share;
  const double confidence = confidence_over_average(posterior, order[0], weights);
  row.status = SelectionStatus::trained;
  if (row.regret > select.max_regret || confidence < select.min_confidence) {
    row.status = SelectionStatus::uncertain;
    row.reason = fmt::format(
        "regret {:.2f} of the best answer's lead (at most {}), confidence {:.2f} (at least {})",
        row.regret,
        select.max_regret,
        confidence,
        select.min_confidence);
  }
  return row;
}

BestOutputRow select_by_scores(const Candidates& candidates,
                               const std::vector<double>& scores,
                               bool is_reference,
                               const SelectOptions& select,
                               const StreamKey& key) {
  const std::vector<Candidate>& items = candidates.items;
  if (items.empty()) return without_winner(SelectionStatus::no_candidates, too_few(candidates));
  const auto [lowest, highest] = std::minmax_element(scores.begin(), scores.end());
  const bool is_one_trusted = items.size() == 1 && select.min_score && !is_reference;
  if (is_reference && *lowest == *highest) {
    return without_winner(SelectionStatus::skipped,
                          *highest > 0 ? "every answer is correct" : "no answer is correct");
  }
  if (items.size() == 1 && !(is_one_trusted && reaches(scores[0], select.min_score))) {
    return without_winner(SelectionStatus::no_candidates, too_few(candidates));
  }
  if (items.size() > 1 && *lowest == *highest) {
    return without_winner(SelectionStatus::skipped, "every answer has the same score");
  }
  const auto tied = std::count(scores.begin(), scores.end(), *highest);
  BestOutputRow row;
  for (const size_t item : by_score(scores, key.stream("ties"))) {
    const bool is_top = scores[item] == *highest;
    row.items.push_back({.branch = items[item].branch,
                         .multiplicity = items[item].multiplicity,
                         .utility = scores[item],
                         .deviation = 0,
                         .p_best = is_top ? 1.0 / static_cast<double>(tied) : 0.0});
  }
  name_places(row, row.items.size());
  row.status = SelectionStatus::trained;
  if (tied > 1) row.reason = fmt::format("{} answers tie at the top, broken at random", tied);
  if (!reaches(*highest, select.min_score)) {
    row.status = SelectionStatus::uncertain;
    row.reason = fmt::format("score {} is below select.min_score {}", *highest, *select.min_score);
  }
  return row;
}

void draw_thoughts(BestOutputRow& row, const Candidates& candidates, const StreamKey& key) {
  std::map<int64_t, const Candidate*> by_lowest;
  for (const Candidate& candidate : candidates.items) by_lowest[candidate.branch] = &candidate;
  std::map<int64_t, int64_t> drawn;  // by the lowest branch of the answer
  for (RankedItem& item : row.items) {
    const int64_t lowest = item.branch;
    item.branches = by_lowest.at(lowest)->branches;
    RandomStream random = key.stream("thought", static_cast<uint64_t>(lowest));
    item.branch = item.branches[random.below(item.branches.size())];
    drawn[lowest] = item.branch;
  }
  for (int64_t* place : {&row.winner, &row.runner_up, &row.worst}) {
    if (*place >= 0) *place = drawn.at(*place);
  }
}

}  // namespace thoughtrank
