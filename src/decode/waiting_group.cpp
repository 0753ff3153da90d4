#include "decode/waiting_group.h"

#include <utility>

#include "decode/checks.h"

namespace thoughtrank {

bool WaitingGroup::fetch() {
  group_ = {};
  next_ = 0;
  std::optional<BranchGroup> group = source_.next();
  if (!group) return false;
  group_ = std::move(*group);
  const std::string misfit = find_misfit(group_, model_);
  if (!misfit.empty()) refuse(BreakCause::context, misfit);
  return true;
}

std::optional<Branch> WaitingGroup::take() {
  Branch branch(group_.group, std::move(group_.branches[next_++]));
  if (!branch.is_finished()) return branch;
  sink_.finished(branch.take_result());
  return std::nullopt;
}

void WaitingGroup::refuse(BreakCause cause, const std::string& error) {
  for (; !is_empty(); ++next_) {
    Branch branch(group_.group, std::move(group_.branches[next_]));
    branch.break_off(cause, error);
    sink_.finished(branch.take_result());
  }
}

}  // namespace thoughtrank
