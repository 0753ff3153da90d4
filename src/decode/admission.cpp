#include "decode/admission.h"

#include <optional>
#include <utility>

#include "thoughtrank/core/log.h"

namespace thoughtrank {

void Admission::fill() {
  if (put_off_.empty()) most_live_ = slot_count_;
  while (keeper_.live() < most_live_) {
    if (!put_off_.empty()) {
      if (!resume()) return;
    } else if (!waiting_.is_empty()) {
      if (!admit()) return;
    } else {
      waiting_text_ = nullptr;
      if (!waiting_.fetch()) return;
    }
  }
}

// The branch that was put off first goes on; false when that has to wait for memory.
bool Admission::resume() {
  Decodable& first = put_off_.front();
  if (keeper_.read(*first.shared)) {
    keeper_.occupy(std::move(first));
  } else if (keeper_.live() > 0) {
    return false;
  } else {
    give_up(first.branch);
  }
  put_off_.pop_front();
  return true;
}

// The next branch of the waiting group; false when that has to wait for memory.
bool Admission::admit() {
  if (!waiting_text_) waiting_text_ = keeper_.make_text(waiting_.shared_ids());
  if (keeper_.read(*waiting_text_)) {
    if (auto branch = waiting_.take()) keeper_.occupy({std::move(*branch), waiting_text_});
  } else if (keeper_.live() > 0) {
    return false;
  } else {
    waiting_.refuse(BreakCause::memory, keeper_.describe_memory());
  }
  return true;
}

void Admission::forget_idle_texts() {
  if (waiting_text_) keeper_.forget_unless_used(*waiting_text_);
  for (Decodable& one : put_off_) keeper_.forget_unless_used(*one.shared);
}

// As long as some are put off, no more are live than had room.
void Admission::make_room() {
  const int64_t before = keeper_.live();
  while (keeper_.live() > 0 && !keeper_.has_room()) put_off_newest();
  const int64_t now = keeper_.live();
  if (now == before || now == 0) return;
  most_live_ = now;
  if (has_warned_) return;
  has_warned_ = true;
  log_warning(
      "the memory for keys and values is full: {} branches at once instead of {}; the others go on "
      "later, with the same tokens",
      now,
      before);
}

void Admission::put_off_newest() {
  Decodable newest = keeper_.vacate_newest();
  if (keeper_.live() == 0) return give_up(newest.branch);  // nobody is left to make room for it
  newest.branch.forget_read();
  put_off_.push_front(std::move(newest));
}

void Admission::give_up(Branch& branch) {
  branch.break_off(BreakCause::memory, keeper_.describe_memory());
  sink_.finished(branch.take_result());
}

}  // namespace thoughtrank
