// One Decoder::run: slots are filled with branches of the source's groups, every step reads the
// tokens that the live branches have added and chooses each branch's next one, finished branches go
// to the sink and free their slot. Rows are bitwise independent of each other, so only live slots
// are computed, in any number. Who comes next is admission.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "decode/admission.h"
#include "decode/branch.h"
#include "decode/last_text.h"
#include "decode/packed_llama.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

class BranchRun : private SlotKeeper {
 public:
  struct Seams {
    GroupSource& source;
    BranchSink& sink;
    const StopFlag& stop;
  };
  BranchRun(PackedLlama& model, int64_t slots, Seams seams)
      : model_(model),
        seams_(seams),
        last_text_(model.kv_pool()),
        admission_(*this, {seams.source, seams.sink}, model.config(), slots) {}
  void run();

 private:
  struct PackedText : SharedText {
    PackedText(std::vector<int64_t> all_ids, KvPool& pool)
        : SharedText(std::move(all_ids)), sequence(pool) {}
    KvSequence sequence;  // empty: not read
    at::Tensor last_row;  // (1, C): what the model makes of the last shared token
  };
  struct Slot {
    Branch branch;
    std::shared_ptr<PackedText> shared;
    KvSequence sequence;  // of the branch's own tokens
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

  // SlotKeeper:
  [[nodiscard]] int64_t live() const override { return std::ssize(slots_); }
  [[nodiscard]] std::shared_ptr<SharedText> make_text(const std::vector<int64_t>& ids) override;
  [[nodiscard]] bool read(SharedText& text) override;
  void forget_unless_used(SharedText& text) override;
  void occupy(Decodable one) override;
  [[nodiscard]] Decodable vacate_newest() override;
  [[nodiscard]] bool has_room() override { return reserve(pages_of_next_pass()); }
  [[nodiscard]] std::string describe_memory() const override;

  [[nodiscard]] bool reserve(int64_t pages);
  void step();
  [[nodiscard]] std::vector<int64_t> rows_of_slots() const;
  [[nodiscard]] int64_t pages_of_next_pass() const;
  [[nodiscard]] Reading plan_reading();
  void add_rows(Slot& slot, int64_t rows, Reading& reading);
  [[nodiscard]] at::Tensor read(const Reading& reading);
  void choose(const std::vector<size_t>& choosers, const at::Tensor& hidden);
  void choose_best(const Choice& choice, const at::Tensor& hidden);
  void choose_among_candidates(const Choice& choice, const at::Tensor& hidden);
  void draw(const Choice& choice, const at::Tensor& hidden);
  void hand_over_finished();

  PackedLlama& model_;
  Seams seams_;
  std::vector<Slot> slots_;  // live branches, those of one group side by side
  LastText last_text_;
  Admission admission_;
};

}  // namespace thoughtrank
