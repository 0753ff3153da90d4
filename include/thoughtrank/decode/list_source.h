// Hands out groups that are all there from the start.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

class ListSource : public GroupSource {
 public:
  explicit ListSource(std::vector<BranchGroup> groups) : groups_(std::move(groups)) {}
  std::optional<BranchGroup> next() override {
    if (next_ == groups_.size()) return std::nullopt;
    return std::move(groups_[next_++]);
  }

 private:
  std::vector<BranchGroup> groups_;
  size_t next_ = 0;
};

}  // namespace thoughtrank
