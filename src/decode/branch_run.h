// One Decoder::run: slots are filled with branches of the source's groups, every step reads the
// tokens that the live branches have added and chooses each branch's next one, finished branches go
// to the sink and free their slot. Rows are bitwise independent of each other, so only live slots
// are computed, in any number. Where the memory for keys and values ends, shared texts that no slot
// reads are forgotten, then the newest branches are put off: they keep their tokens and read them
// again when others have finished.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "decode/branch.h"
#include "decode/packed_llama.h"
#include "decode/waiting_group.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

class BranchRun {
 public:
  struct Seams {
    GroupSource& source;
    BranchSink& sink;
    const StopFlag& stop;
  };
  BranchRun(PackedLlama& model, int64_t slots, Seams seams)
      : model_(model),
        slot_count_(slots),
        most_live_(slots),
        seams_(seams),
        waiting_(seams.source, seams.sink, model.config()) {}
  void run();

 private:
  // The shared part of a group. Its keys and values can be forgotten while no slot reads them.
  struct SharedText {
    std::vector<int64_t> ids;
    KvSequence sequence;  // empty: not read
    at::Tensor last_row;  // (1, C): what the model makes of the last shared token
    [[nodiscard]] bool is_read() const { return sequence.length() > 0; }
  };
  struct Slot {
    Branch branch;
    std::shared_ptr<SharedText> shared;
    KvSequence sequence;  // of the branch's own tokens
  };
  struct PutOff {
    Branch branch;
    std::shared_ptr<SharedText> shared;
  };
  // Where the next token of a slot's branch is read from.
  struct Reading {
    std::vector<int64_t> ids;
    AttentionBatch batch;
    std::vector<int64_t> last_rows;  // of the branches that have been read to their end
    std::vector<size_t> choosers;    // their slots
  };

  // Slots whose next token is chosen in the same way, and their rows of the hidden states.
  struct Choice {
    std::vector<size_t> slots;
    std::vector<int64_t> rows;
  };

  void fill_slots();
  [[nodiscard]] bool resume();
  [[nodiscard]] bool admit();
  void occupy(Branch branch, std::shared_ptr<SharedText> shared);
  [[nodiscard]] bool read_shared(SharedText& text);
  [[nodiscard]] bool reserve(int64_t pages);
  void forget_idle(SharedText& text);
  [[nodiscard]] std::string describe_memory();
  void make_room();
  void put_off_newest();
  void step();
  [[nodiscard]] std::vector<int64_t> rows_of_slots() const;
  [[nodiscard]] int64_t pages_of_next_pass() const;
  [[nodiscard]] Reading plan_reading();
  void add_rows(Slot& slot, int64_t rows, Reading& reading);
  [[nodiscard]] at::Tensor read(const Reading& reading);
  void choose(const std::vector<size_t>& choosers, const at::Tensor& hidden);
  void choose_freely(const std::vector<size_t>& choosers, const at::Tensor& hidden);
  void hand_over_finished();

  PackedLlama& model_;
  int64_t slot_count_;
  int64_t most_live_;  // fewer than slot_count_ while branches are put off
  Seams seams_;
  std::vector<Slot> slots_;     // live branches, those of one group side by side
  std::deque<PutOff> put_off_;  // the one to go on first in front
  bool has_warned_ = false;
  WaitingGroup waiting_;
  std::shared_ptr<SharedText> waiting_text_;  // of the waiting group
};

}  // namespace thoughtrank
