// The CPU's allocator with a meter: bytes that live, their peak, and an allocation that fails as a
// full device's would.
#pragma once

#include <ATen/Context.h>
#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <limits>

namespace thoughtrank {

class CountingAllocator : public c10::Allocator {
 public:
  CountingAllocator() : beneath_(c10::GetAllocator(c10::DeviceType::CPU)) {
    c10::SetAllocator(c10::DeviceType::CPU, this, kPriority);
  }
  // Tensors that were made meanwhile must be gone.
  ~CountingAllocator() override { c10::SetAllocator(c10::DeviceType::CPU, beneath_, kPriority); }
  CountingAllocator(const CountingAllocator&) = delete;
  CountingAllocator& operator=(const CountingAllocator&) = delete;

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes >= kLarge && --until_failure_ == 0) {
      TORCH_CHECK_WITH(OutOfMemoryError, false, "planned: no room for ", bytes, " bytes");
    }
    c10::DataPtr data = beneath_->allocate(bytes);
    void* address = data.get();
    const c10::Device device = data.device();
    note(static_cast<int64_t>(bytes));
    return {address, new Block{*this, std::move(data), static_cast<int64_t>(bytes)}, free, device};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  // The n-th allocation from now on, of those of at least 512 bytes, throws
  // c10::OutOfMemoryError, once.
  void fail_at(int64_t n) { until_failure_ = n; }
  [[nodiscard]] bool has_failed() const { return until_failure_ <= 0; }
  [[nodiscard]] int64_t live_bytes() const { return live_; }
  [[nodiscard]] int64_t peak_bytes() const { return peak_; }
  void restart_peak() { peak_ = live_.load(); }

 private:
  static constexpr uint8_t kPriority = 100;
  static constexpr size_t kLarge = 512;
  struct Block {
    CountingAllocator& owner;
    c10::DataPtr data;
    int64_t bytes;
  };
  static void free(void* block) {
    auto* mine = static_cast<Block*>(block);
    mine->owner.live_ -= mine->bytes;
    delete mine;
  }
  void note(int64_t bytes) {
    const int64_t live = live_ += bytes;
    int64_t peak = peak_;
    while (peak < live && !peak_.compare_exchange_weak(peak, live)) {
    }
  }

  c10::Allocator* beneath_;
  std::atomic<int64_t> live_ = 0, peak_ = 0;
  std::atomic<int64_t> until_failure_ = std::numeric_limits<int64_t>::max();
};

}  // namespace thoughtrank
