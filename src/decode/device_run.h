// One Decoder::run on a DeviceLlama. Each slot reads one token a step. The device is kept busy:
// step k + 1 is enqueued before the results of step k are known, with the token that the device has
// just chosen as its input. When a branch's rule wants something else (forced tokens, an end), that
// step's result is dropped and the slot goes back by one token: what a branch generates does not
// depend on the lag.
//
// A slot reads the last shared token and then the branch's own; the tokens before are the prefix,
// whose keys and values all branches of the group read.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "decode/admission.h"
#include "decode/branch.h"
#include "decode/device_llama.h"
#include "decode/device_queue.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

// Free pages of a DeviceLlama's memory.
class PageList {
 public:
  explicit PageList(int64_t pages);
  [[nodiscard]] int64_t free() const { return std::ssize(free_); }
  [[nodiscard]] int64_t take();
  void give_back(const std::vector<int64_t>& pages);

 private:
  std::vector<int64_t> free_;
};

class DeviceRun : private SlotKeeper {
 public:
  struct Seams {
    GroupSource& source;
    BranchSink& sink;
    const StopFlag& stop;
  };
  DeviceRun(DeviceLlama& model, DeviceQueue& queue, Seams seams);
  ~DeviceRun() override;
  void run();

 private:
  // Its prefix: all shared tokens but the last, which every slot reads itself.
  struct DeviceText : SharedText {
    DeviceText(std::vector<int64_t> all_ids, PageList& list)
        : SharedText(std::move(all_ids)), free_pages(list) {}
    ~DeviceText() override { forget(); }
    void forget() {
      free_pages.give_back(pages);
      pages.clear();
      is_read = false;
    }
    [[nodiscard]] int64_t prefix_length() const { return std::ssize(ids) - 1; }
    PageList& free_pages;
    std::vector<int64_t> pages;
    bool is_read = false;
  };
  struct Slot {
    int64_t serial = 0;  // of the branch in the order of admission; 0: empty
    std::optional<Branch> branch;
    std::shared_ptr<DeviceText> shared;
    std::vector<int64_t> pages;
    int64_t next = 0;  // the token that is read next: 0 is the last shared one

    [[nodiscard]] int64_t tokens() const { return 1 + std::ssize(branch->token_ids()); }
    [[nodiscard]] int64_t token(int64_t index) const {
      return index == 0 ? shared->ids.back() : branch->token_ids()[static_cast<size_t>(index - 1)];
    }
  };
  // What a step that was enqueued does in a slot.
  struct Entry {
    int64_t serial = 0;  // 0: nothing
    int64_t index = 0;   // of the token read
  };
  struct Step {
    std::vector<Entry> entries;  // by slot
    size_t buffer = 0;           // of the host
    bool is_awaited = false;     // the next step needs its logits first
  };
  // Two of each, so that the host writes one while the device reads the other.
  struct HostBuffers {
    SlotTable table;
    SlotChoices choices;
  };

  // SlotKeeper:
  [[nodiscard]] int64_t live() const override;
  [[nodiscard]] std::shared_ptr<SharedText> make_text(const std::vector<int64_t>& ids) override;
  [[nodiscard]] bool read(SharedText& text) override;
  void forget_unless_used(SharedText& text) override;
  void occupy(Decodable one) override;
  [[nodiscard]] Decodable vacate_newest() override;
  [[nodiscard]] bool has_room() override { return reserve(pages_of_next_step()); }
  [[nodiscard]] std::string describe_memory() const override;

  void release(Slot& slot);
  [[nodiscard]] bool reserve(int64_t pages);
  [[nodiscard]] int64_t pages_of_next_step() const;
  [[nodiscard]] bool feeds_own_choice(size_t slot) const;
  [[nodiscard]] bool reads_in_next_step(size_t slot) const;
  [[nodiscard]] std::optional<Step> plan_step();
  void plan_slot(size_t slot, Step& step);
  void plan_prefix_tiles(const Step& step);
  void grow_tables(int64_t suffix_pages, int64_t prefix_pages);
  void enqueue(const Step& step);
  void take_results(const Step& step);
  void take_choice(size_t slot, int64_t index, const Step& step);

  DeviceLlama& model_;
  DeviceQueue& queue_;
  Seams seams_;
  PageList pages_;
  std::vector<Slot> slots_;
  Admission admission_;
  int64_t admitted_ = 0;
  std::array<HostBuffers, 2> host_;
  size_t next_buffer_ = 0;
  std::optional<Step> in_flight_;  // enqueued last, its results not yet taken
};

}  // namespace thoughtrank
