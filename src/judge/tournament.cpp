#include "judge/tournament.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "judge/decision.h"

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

Tournament::Tournament(std::vector<int64_t> tokens, TournamentOptions options, StreamKey key)
    : tokens_(std::move(tokens)), options_(options), key_(key) {
  set_.items = tokens_.size();
  remaining_.resize(tokens_.size());
  std::iota(remaining_.begin(), remaining_.end(), size_t{0});
}

std::vector<Group> Tournament::group(const std::vector<size_t>& items) {
  return random_groups(
      items, tokens_, options_.group_size, options_.max_tokens, key_.stream("groups", ++stage_));
}

TournamentStage Tournament::pass_a() { return {.name = "pass_a", .groups = group(remaining_)}; }

TournamentStage Tournament::halve() {
  std::vector<bool> is_left(set_.items, false);
  for (const size_t item : remaining_) is_left[item] = true;
  std::vector<size_t> kept;
  const size_t half = (remaining_.size() + 1) / 2;
  for (const size_t item : by_mean(fit(set_, kHalvingSigma))) {
    if (is_left[item] && kept.size() < half) kept.push_back(item);
  }
  remaining_ = std::move(kept);
  return {.name = "halve", .groups = group(remaining_)};
}

TournamentStage Tournament::next_final(double sigma) {
  TournamentStage stage{.name = "finals", .groups = {}};
  if (finals_ == options_.finals) return stage;
  const auto number = static_cast<uint64_t>(finals_++);
  const Posterior posterior = fit(set_, sigma);
  const Outlook outlook =
      look_ahead(posterior, by_mean(posterior)[0], key_.stream("outlook", number));
  if (outlook.regret < kGoodRegret * sigma) return stage;
  const size_t places = std::min({kFinalists, options_.group_size, set_.items});
  stage.groups = {thompson_choice(posterior, places, key_.stream("thompson", number))};
  return stage;
}

SchemeCost scheme_cost(int64_t items, int64_t group_size, int64_t finals) {
  SchemeCost cost;
  if (items < 2) return cost;
  const auto read_all = [&](int64_t count) {
    cost.calls += (count + group_size - 1) / group_size;
    cost.reads += count;
  };
  int64_t left = items;
  read_all(left);
  while (left > group_size) read_all(left = (left + 1) / 2);
  const auto finalists = static_cast<int64_t>(Tournament::kFinalists);
  cost.calls += finals;
  cost.reads += finals * std::min({finalists, group_size, items});
  return cost;
}

}  // namespace thoughtrank
