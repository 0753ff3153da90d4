#include "thoughtrank/rank/tournament.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "thoughtrank/rank/posterior_regret.h"

namespace thoughtrank {
namespace {

constexpr double kHalvingSigma = 1;

// The group with the fewest items that has room for `tokens` more; none: groups.size().
size_t roomiest(const std::vector<Group>& groups,
                const std::vector<int64_t>& load,
                size_t group_size,
                int64_t room) {
  size_t best = groups.size();
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].size() >= group_size || load[g] > room) continue;
    if (best == groups.size() || groups[g].size() < groups[best].size()) best = g;
  }
  return best;
}

size_t kept_of(size_t items, const TournamentOptions& options) {
  return static_cast<size_t>(std::ceil(options.kept * static_cast<double>(items)));
}

void pair_up_singles(std::vector<Group>& groups) {
  for (Group& group : groups) {
    if (group.size() != 1 || groups.size() < 2) continue;
    Group& donor =
        *std::max_element(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
          return a.size() < b.size();
        });
    if (&donor == &group) continue;  // every group is single: nothing larger fits the bound
    group.push_back(donor.back());
    if (donor.size() > 2) donor.pop_back();
  }
}

}  // namespace

RandomStream StreamKey::stream(std::string_view purpose, uint64_t first, uint64_t second) const {
  return RandomStream(
      seed, "judge", {static_cast<uint64_t>(round), prompt, stable_hash(purpose), first, second});
}

std::vector<Group> random_groups(std::vector<size_t> items,
                                 const std::vector<int64_t>& tokens,
                                 size_t group_size,
                                 int64_t max_tokens,
                                 RandomStream random) {
  random.shuffle(items);
  std::vector<Group> groups((items.size() + group_size - 1) / group_size);
  std::vector<int64_t> load(groups.size(), 0);
  for (const size_t item : items) {
    const size_t g = roomiest(groups, load, group_size, max_tokens - tokens[item]);
    if (g == groups.size()) {
      groups.emplace_back();
      load.push_back(0);
    }
    groups[g].push_back(item);
    load[g] += tokens[item];
  }
  std::erase_if(groups, [](const Group& group) { return group.empty(); });
  pair_up_singles(groups);
  return groups;
}

Tournament::Tournament(std::vector<int64_t> tokens,
                       TournamentOptions options,
                       StreamKey key,
                       std::vector<double> lengths)
    : tokens_(std::move(tokens)), options_(options), key_(key) {
  set_.items = tokens_.size();
  set_.lengths = std::move(lengths);
  remaining_.resize(tokens_.size());
  std::iota(remaining_.begin(), remaining_.end(), size_t{0});
}

std::vector<Group> Tournament::group(const std::vector<size_t>& items) {
  return random_groups(
      items, tokens_, options_.group_size, options_.max_tokens, key_.stream("groups", ++stage_));
}

TournamentStage Tournament::pass_a() {
  return {.step = TournamentStep::pass_a, .groups = group(remaining_)};
}

TournamentStage Tournament::halve() {
  std::vector<bool> is_left(set_.items, false);
  for (const size_t item : remaining_) is_left[item] = true;
  std::vector<size_t> kept;
  const size_t count = kept_of(remaining_.size(), options_);
  control_lengths(effects_so_far());
  for (const size_t item : by_mean(fit(set_, kHalvingSigma))) {
    if (is_left[item] && kept.size() < count) kept.push_back(item);
  }
  remaining_ = std::move(kept);
  return {.step = TournamentStep::halve, .groups = group(remaining_)};
}

void Tournament::add(Ranking ranking, size_t judge) {
  set_.rankings.push_back(std::move(ranking));
  set_.scales.push_back(1);
  judges_.push_back(judge);
}

RankingSet Tournament::rankings_of(size_t judge) const {
  RankingSet mine{.items = set_.items, .rankings = {}, .lengths = set_.lengths};
  for (size_t r = 0; r < judges_.size(); ++r) {
    if (judges_[r] == judge) mine.rankings.push_back(set_.rankings[r]);
  }
  return mine;
}

// Each judge's length effect, as far as this prompt alone tells it: halving waits for no other.
std::vector<double> Tournament::effects_so_far() const {
  std::vector<double> effects;
  if (set_.lengths.empty() || judges_.empty()) return effects;
  const size_t last = *std::max_element(judges_.begin(), judges_.end());
  for (size_t j = 0; j <= last; ++j) {
    effects.push_back(estimate_length_effect({rankings_of(j)}, kHalvingSigma));
  }
  return effects;
}

// `effects` by judge.
void Tournament::control_lengths(const std::vector<double>& effects) {
  if (set_.lengths.empty()) return;
  set_.length_effects.clear();
  for (const size_t judge : judges_) set_.length_effects.push_back(effects[judge]);
}

TournamentStage Tournament::next_final(const JudgeScales& scales) {
  TournamentStage stage{.step = TournamentStep::finals, .groups = {}};
  if (finals_ == options_.finals) return stage;
  const auto number = static_cast<uint64_t>(finals_++);
  for (size_t r = 0; r < judges_.size(); ++r) set_.scales[r] = scales.scales[judges_[r]];
  control_lengths(scales.length_effects);
  const Posterior posterior = fit(set_, scales.sigma);
  const PosteriorRegret regret =
      posterior_regret(posterior, by_mean(posterior)[0], key_.stream("outlook", number));
  if (regret.share < options_.good_regret) return stage;
  const size_t places = std::min({options_.finalists, options_.group_size, set_.items});
  stage.groups = {fitting(thompson_sample(posterior, places, key_.stream("thompson", number)))};
  return stage;
}

// The first items that fit into one request, at least two.
Group Tournament::fitting(Group chosen) const {
  int64_t load = 0;
  size_t count = 0;
  for (const size_t item : chosen) {
    load += tokens_[item];
    if (load > options_.max_tokens && count >= 2) break;
    ++count;
  }
  chosen.resize(count);
  return chosen;
}

SchemeCost scheme_cost(int64_t items, const TournamentOptions& options, size_t fitting) {
  SchemeCost cost;
  if (items < 2) return cost;
  const size_t least = std::min(options.group_size, fitting);  // items of a group that is full
  const auto read_all = [&](size_t count) {
    cost.calls += static_cast<int64_t>((count + least - 1) / least);
    cost.reads += static_cast<int64_t>(count);
  };
  auto left = static_cast<size_t>(items);
  read_all(left);
  while (left > std::max(options.group_size, options.finals_from)) {
    left = kept_of(left, options);
    read_all(left);
  }
  const size_t places =
      std::min({options.finalists, options.group_size, static_cast<size_t>(items)});
  cost.calls += options.finals;
  cost.reads += options.finals * static_cast<int64_t>(places);
  return cost;
}

}  // namespace thoughtrank
