// The simulated judge that the ranking scheme is measured with: it perceives each answer's quality
// plus its own likings, adds Plackett–Luce noise that grows with the list, and prefers answers
// shown early. Used by tests and by the benchmark judge_simulation.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "thoughtrank/rank/tournament.h"

namespace thoughtrank {

struct JudgeCharacter {
  double temperature = 0.5;    // τ of a list of 2 is τ; it grows by 15 % with each doubling
  double position_bias = 0.4;  // what the first place is worth, falling linearly to the last
  double quality_weight = 1;   // 0: blind to quality
  double length_weight = 0;    // what a deviation of length is worth
  double cycle = 0;            // strength of intransitive likings
};

// One prompt's answers as they truly are: of quality N(0, 1), or, where `share_right` is not zero,
// right (1) or wrong (0). A prompt's own chance of right answers has that mean and falls
// exponentially: of some prompts nothing is right.
struct SimulatedAnswers {
  SimulatedAnswers(size_t count, RandomStream random, double share_right = 0) {
    const double chance = share_right == 0 ? 0 : -share_right * std::log(1 - random.uniform());
    for (size_t i = 0; i < count; ++i) {
      quality.push_back(share_right == 0 ? random.normal() : random.uniform() < chance ? 1 : 0);
      length.push_back(random.normal());
      angle.push_back(2 * 3.14159265358979 * random.uniform());
    }
  }
  [[nodiscard]] size_t best() const {
    return static_cast<size_t>(std::max_element(quality.begin(), quality.end()) - quality.begin());
  }
  [[nodiscard]] double regret(size_t winner) const { return quality[best()] - quality[winner]; }
  // Of the best answer over the average one.
  [[nodiscard]] double lead() const {
    double sum = 0;
    for (const double each : quality) sum += each;
    return quality[best()] - sum / static_cast<double>(quality.size());
  }

  std::vector<double> quality;
  std::vector<double> length;  // N(0, 1), independent of quality
  std::vector<double> angle;   // place on the circle of rock, paper, scissors
};

class SimulatedJudge {
 public:
  SimulatedJudge(const SimulatedAnswers& answers, JudgeCharacter character, RandomStream random)
      : answers_(answers), character_(character), random_(random) {}

  // Shows the items in random order.
  [[nodiscard]] Ranking rank(Group items) {
    random_.shuffle(items);
    return rank_shown(items);
  }

  // Shows the items as they stand.
  [[nodiscard]] Ranking rank_shown(const Group& shown) {
    calls += 1;
    reads += static_cast<int>(shown.size());
    const auto count = static_cast<double>(shown.size());
    const double scale = noise_scale(count);
    std::vector<std::pair<double, size_t>> drawn;
    for (size_t place = 0; place < shown.size(); ++place) {
      const double early = 1 - static_cast<double>(place) / std::max(1.0, count - 1);
      const double liking =
          perceived(shown[place]) + beats(shown[place], shown) + character_.position_bias * early;
      drawn.emplace_back(-(liking + scale * gumbel()), shown[place]);
    }
    std::sort(drawn.begin(), drawn.end());
    Ranking ranking;
    for (const auto& [key, item] : drawn) ranking.push_back(item);
    return ranking;
  }

  // A score of one answer by itself: no neighbours, no place.
  [[nodiscard]] double score(size_t item) {
    calls += 1;
    reads += 1;
    return perceived(item) + noise_scale(1) * gumbel();
  }

  int calls = 0;
  int reads = 0;

 private:
  [[nodiscard]] double noise_scale(double count) const {
    return character_.temperature * (1 + 0.15 * std::log2(count / 2));
  }
  [[nodiscard]] double perceived(size_t item) const {
    return character_.quality_weight * answers_.quality[item] +
           character_.length_weight * answers_.length[item];
  }
  // The mean advantage over the others shown; around the circle it has no top.
  [[nodiscard]] double beats(size_t item, const Group& shown) const {
    if (character_.cycle == 0 || shown.size() < 2) return 0;
    double sum = 0;
    for (const size_t other : shown) sum += std::sin(answers_.angle[item] - answers_.angle[other]);
    return character_.cycle * sum / static_cast<double>(shown.size() - 1);
  }
  [[nodiscard]] double gumbel() { return -std::log(-std::log(1 - random_.uniform())); }

  const SimulatedAnswers& answers_;
  JudgeCharacter character_;
  RandomStream random_;
};

}  // namespace thoughtrank
