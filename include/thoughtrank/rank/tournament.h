// The calls of one prompt, stage by stage: pass A over all items, halving by posterior mean until
// one group is left, then finals between Thompson samples. A pure state machine: it says which
// groups to ask for and is told the rankings; it knows no judge, text or network.
//
// Pass A shows each item once, and one ranking of strangers is equally likely under every σ: it
// says nothing about σ. So halving goes by the prior σ = 1 (which orders pass A as any other
// would), and σ is estimated from all rankings before the finals, which wait for it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "thoughtrank/core/random.h"
#include "thoughtrank/rank/plackett_luce.h"

namespace thoughtrank {

using Group = std::vector<size_t>;  // items shown together

// Names the random streams of one prompt of one round.
struct StreamKey {
  uint64_t seed = 0;
  int64_t round = 0;
  uint64_t prompt = 0;  // stable_hash of its id
  [[nodiscard]] RandomStream stream(std::string_view purpose,
                                    uint64_t first = 0,
                                    uint64_t second = 0) const;
};

// Splits `items` at random into groups of at most `group_size` whose sizes differ little and whose
// tokens stay within `max_tokens`. A group that would hold one item only borrows a second one, so
// that everyone is compared with somebody.
[[nodiscard]] std::vector<Group> random_groups(std::vector<size_t> items,
                                               const std::vector<int64_t>& tokens,
                                               size_t group_size,
                                               int64_t max_tokens,
                                               RandomStream random);

struct TournamentOptions {
  size_t group_size = 8;
  int64_t finals = 12;
  int64_t max_tokens = 24000;  // bound of a group's answers together
  double kept = 0.5;           // share of the items that each halving keeps
  size_t finals_from = 8;      // items left when finals begin, unless one group holds them earlier
  size_t finalists = 4;        // items of a final
  double good_regret = 0.03;   // PosteriorRegret::share below which finals end
};

enum class TournamentStep : uint8_t { pass_a, halve, finals };

struct TournamentStage {
  TournamentStep step = TournamentStep::pass_a;
  std::vector<Group> groups;
};

class Tournament {
 public:
  // Takes the tokens of each item, of which there are two at least, and their lengths as
  // RankingSet has them.
  Tournament(std::vector<int64_t> tokens,
             TournamentOptions options,
             StreamKey key,
             std::vector<double> lengths = {});

  [[nodiscard]] TournamentStage pass_a();
  // The next stage, once every group of the last one has been ranked or abstained. While more items
  // than one group holds are left: the better half of them, regrouped.
  [[nodiscard]] bool is_ready_for_finals() const {
    return remaining_.size() <= std::max(options_.group_size, options_.finals_from);
  }
  [[nodiscard]] TournamentStage halve();
  // Then the next final; no groups: done.
  [[nodiscard]] TournamentStage next_final(const JudgeScales& scales);
  void add(Ranking ranking, size_t judge = 0);  // judges are numbered from 0
  [[nodiscard]] const RankingSet& rankings() const { return set_; }
  [[nodiscard]] RankingSet rankings_of(size_t judge) const;

 private:
  [[nodiscard]] std::vector<Group> group(const std::vector<size_t>& items);
  [[nodiscard]] Group fitting(Group chosen) const;
  void control_lengths(const std::vector<double>& effects);
  [[nodiscard]] std::vector<double> effects_so_far() const;

  std::vector<int64_t> tokens_;
  TournamentOptions options_;
  StreamKey key_;
  RankingSet set_;
  std::vector<size_t> judges_;  // of each ranking
  std::vector<size_t> remaining_;
  uint64_t stage_ = 0;
  int64_t finals_ = 0;
};

// The most calls and answer reads the scheme makes for `items` answers.
struct SchemeCost {
  int64_t calls = 0;
  int64_t reads = 0;
};
// `fitting`: how many of the longest items fit into one group by their tokens, where that is fewer
// than group_size: random_groups() opens a new group only when every other holds as many.
[[nodiscard]] SchemeCost scheme_cost(int64_t items,
                                     const TournamentOptions& options,
                                     size_t fitting = std::numeric_limits<size_t>::max());

}  // namespace thoughtrank
