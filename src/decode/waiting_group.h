// The newest group of the source, as far as its branches wait for a slot. What cannot be decoded
// goes back to the sink with its error at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "decode/branch.h"
#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

class WaitingGroup {
 public:
  WaitingGroup(GroupSource& source, BranchSink& sink, const LlamaConfig& model)
      : source_(source), sink_(sink), model_(model) {}

  [[nodiscard]] bool is_empty() const { return next_ == group_.branches.size(); }
  // Takes the next group, of which nothing may be left when it does not fit the model's context;
  // false: the source is dry.
  [[nodiscard]] bool fetch();
  [[nodiscard]] const std::vector<int64_t>& shared_ids() const { return group_.shared_ids; }
  // The next branch; nullopt for one that was finished before it began.
  [[nodiscard]] std::optional<Branch> take();
  // Gives all branches that still wait back with this error.
  void refuse(BreakCause cause, const std::string& error);

 private:
  GroupSource& source_;
  BranchSink& sink_;
  const LlamaConfig& model_;
  BranchGroup group_;
  size_t next_ = 0;
};

}  // namespace thoughtrank
