// Who is decoded next, for every engine: branches that were put off, then the groups of the source,
// branch by branch. Where the memory for keys and values ends, shared texts that no slot reads are
// forgotten, then the newest branches are put off: they keep their tokens and read them again when
// others have finished. What fits nowhere goes back to the sink with its error; the others go on.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "decode/branch.h"
#include "decode/waiting_group.h"
#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

// The shared ids of a group, and what an engine keeps of them.
struct SharedText {
  explicit SharedText(std::vector<int64_t> all_ids) : ids(std::move(all_ids)) {}
  virtual ~SharedText() = default;
  std::vector<int64_t> ids;
};

// A branch and the text that it goes on from.
struct Decodable {
  Branch branch;
  std::shared_ptr<SharedText> shared;
};

// The engine's side.
class SlotKeeper {
 public:
  virtual ~SlotKeeper() = default;
  [[nodiscard]] virtual int64_t live() const = 0;  // slots with a branch
  [[nodiscard]] virtual std::shared_ptr<SharedText> make_text(const std::vector<int64_t>& ids) = 0;
  // Has the text's keys and values in memory; false where there is no room for them now.
  [[nodiscard]] virtual bool read(SharedText& text) = 0;
  // Gives their memory back, unless a slot reads them.
  virtual void forget_unless_used(SharedText& text) = 0;
  virtual void occupy(Decodable one) = 0;
  [[nodiscard]] virtual Decodable vacate_newest() = 0;
  // Whether the keys and values of the next pass have room.
  [[nodiscard]] virtual bool has_room() = 0;
  [[nodiscard]] virtual std::string describe_memory() const = 0;
};

class Admission {
 public:
  struct Seams {
    GroupSource& source;
    BranchSink& sink;
  };
  Admission(SlotKeeper& keeper, Seams seams, const LlamaConfig& model, int64_t slots)
      : keeper_(keeper),
        sink_(seams.sink),
        waiting_(seams.source, seams.sink, model),
        slot_count_(slots),
        most_live_(slots) {}

  // Fills the free slots as far as there is work and memory.
  void fill();
  // Puts branches off until the next pass has room.
  void make_room();
  // Forgets shared texts that no slot reads.
  void forget_idle_texts();
  // Whether nothing waits here; the source may have more until fill() has found it dry.
  [[nodiscard]] bool is_empty() const { return put_off_.empty() && waiting_.is_empty(); }

 private:
  [[nodiscard]] bool resume();
  [[nodiscard]] bool admit();
  void put_off_newest();
  void give_up(Branch& branch);

  SlotKeeper& keeper_;
  BranchSink& sink_;
  WaitingGroup waiting_;
  std::shared_ptr<SharedText> waiting_text_;
  std::deque<Decodable> put_off_;  // the one to go on first in front
  int64_t slot_count_;
  int64_t most_live_;  // fewer than slot_count_ while branches are put off
  bool has_warned_ = false;
};

}  // namespace thoughtrank
