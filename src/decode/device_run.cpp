#include "decode/device_run.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/kernels/kv_pages.h"

namespace thoughtrank {
namespace {

int64_t pages_of(int64_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

int32_t* numbers(const at::Tensor& t) { return t.mutable_data_ptr<int32_t>(); }

}  // namespace

PageList::PageList(int64_t pages) : free_(static_cast<size_t>(pages)) {
  std::iota(free_.rbegin(), free_.rend(), 0);
}

int64_t PageList::take() {
  const int64_t page = free_.back();
  free_.pop_back();
  return page;
}

void PageList::give_back(const std::vector<int64_t>& pages) {
  free_.insert(free_.end(), pages.rbegin(), pages.rend());
}

DeviceRun::DeviceRun(DeviceLlama& model, DeviceQueue& queue, Seams seams)
    : model_(model),
      queue_(queue),
      seams_(seams),
      pages_(model.pages()),
      slots_(static_cast<size_t>(model.slots())),
      admission_(*this, {seams.source, seams.sink}, model.config(), model.slots()) {
  for (HostBuffers& host : host_) {
    const auto options = at::TensorOptions().pinned_memory(queue.pins_memory());
    host.choices = {.chosen = at::empty({model.slots()}, options.dtype(at::kInt)),
                    .scores = at::empty({model.slots(), 3}, options.dtype(at::kFloat))};
  }
  grow_tables(model.table().suffix_pages.size(1), model.table().prefix_pages.size(1));
}

// The device may still be at work on this run's pages.
DeviceRun::~DeviceRun() {
  if (!in_flight_) return;
  try {
    queue_.wait(in_flight_->buffer);
  } catch (const std::exception& error) {
    log_warning("the device did not finish its last step: {}", error.what());
  }
}

void DeviceRun::run() {
  while (true) {
    seams_.stop.throw_if_set();
    admission_.fill();
    admission_.make_room();
    std::optional<Step> step = plan_step();
    if (step) enqueue(*step);
    const std::optional<Step> done = std::exchange(in_flight_, std::move(step));
    if (done) take_results(*done);
    if (in_flight_ && in_flight_->is_awaited)
      take_results(*std::exchange(in_flight_, std::nullopt));
    if (!done && !in_flight_ && live() == 0 && admission_.is_empty()) return;
  }
}

int64_t DeviceRun::live() const {
  return std::count_if(slots_.begin(), slots_.end(), [](const Slot& s) { return s.serial > 0; });
}

std::shared_ptr<SharedText> DeviceRun::make_text(const std::vector<int64_t>& ids) {
  return std::make_shared<DeviceText>(ids, pages_);
}

bool DeviceRun::read(SharedText& shared) {
  auto& text = static_cast<DeviceText&>(shared);
  if (text.is_read) return true;
  const int64_t needed = pages_of(text.prefix_length());
  if (!reserve(needed)) return false;
  while (std::ssize(text.pages) < needed) text.pages.push_back(pages_.take());
  const std::vector<int64_t> prefix(text.ids.begin(), text.ids.end() - 1);
  if (!prefix.empty()) (void)model_.read_text(prefix, text.pages);
  text.is_read = true;
  return true;
}

void DeviceRun::forget_unless_used(SharedText& shared) {
  auto& text = static_cast<DeviceText&>(shared);
  const bool is_used = std::any_of(
      slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.shared.get() == &text; });
  if (!is_used) text.forget();
}

void DeviceRun::occupy(Decodable one) {
  if (one.branch.sampling().temperature > 0) {
    fail(ExitCode::kConfig, "a device draws no tokens: a temperature above 0 needs the CPU");
  }
  const auto slot =
      std::find_if(slots_.begin(), slots_.end(), [](const Slot& s) { return s.serial == 0; });
  slot->serial = ++admitted_;
  slot->branch.emplace(std::move(one.branch));
  slot->shared = std::static_pointer_cast<DeviceText>(one.shared);
  slot->next = 0;
}

Decodable DeviceRun::vacate_newest() {
  Slot& slot = *std::max_element(slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) {
    return a.serial < b.serial;
  });
  Decodable one{std::move(*slot.branch), slot.shared};
  release(slot);
  return one;
}

std::string DeviceRun::describe_memory() const {
  return fmt::format("the {} pages of {} tokens for keys and values do not hold it alone",
                     model_.pages(),
                     kPageTokens);
}

// At the cost of shared texts that no slot reads.
bool DeviceRun::reserve(int64_t pages) {
  if (pages <= pages_.free()) return true;
  admission_.forget_idle_texts();
  return pages <= pages_.free();
}

void DeviceRun::release(Slot& slot) {
  pages_.give_back(slot.pages);
  slot = {};
}

// The device chose this slot's next token in the step in flight; the host does not know it yet.
bool DeviceRun::feeds_own_choice(size_t i) const {
  const Slot& slot = slots_[i];
  if (slot.next != slot.tokens() || !in_flight_) return false;
  const Entry& entry = in_flight_->entries[i];
  const bool can_go_on = slot.tokens() < slot.branch->most_tokens();
  return entry.serial == slot.serial && entry.index + 1 == slot.next && can_go_on;
}

bool DeviceRun::reads_in_next_step(size_t i) const {
  const Slot& slot = slots_[i];
  return slot.serial > 0 && (slot.next < slot.tokens() || feeds_own_choice(i));
}

int64_t DeviceRun::pages_of_next_step() const {
  int64_t pages = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (reads_in_next_step(i)) pages += pages_of(slots_[i].next + 1) - std::ssize(slots_[i].pages);
  }
  return pages;
}

// nullopt: no slot has a token to read.
std::optional<DeviceRun::Step> DeviceRun::plan_step() {
  Step step;
  step.entries.resize(slots_.size());
  int64_t suffix_pages = 0, prefix_pages = 0, readers = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!reads_in_next_step(i)) continue;
    ++readers;
    suffix_pages = std::max(suffix_pages, pages_of(slots_[i].next + 1));
    prefix_pages = std::max(prefix_pages, std::ssize(slots_[i].shared->pages));
  }
  if (readers == 0) return std::nullopt;
  grow_tables(suffix_pages, prefix_pages);
  step.buffer = next_buffer_;
  next_buffer_ = 1 - next_buffer_;
  host_[step.buffer].table.memory.zero_();
  host_[step.buffer].table.prefix_tiles.fill_(-1);
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (reads_in_next_step(i)) plan_slot(i, step);
  }
  plan_prefix_tiles(step);
  return step;
}

void DeviceRun::plan_slot(size_t i, Step& step) {
  Slot& slot = slots_[i];
  const SlotTable& table = host_[step.buffer].table;
  const bool is_known = slot.next < slot.tokens();
  numbers(table.token)[i] = is_known ? static_cast<int32_t>(slot.token(slot.next)) : -1;
  numbers(table.position)[i] = static_cast<int32_t>(slot.shared->prefix_length() + slot.next);
  numbers(table.length)[i] = static_cast<int32_t>(slot.next + 1);
  numbers(table.prefix_length)[i] = static_cast<int32_t>(slot.shared->prefix_length());
  while (std::ssize(slot.pages) < pages_of(slot.next + 1)) slot.pages.push_back(pages_.take());
  const auto row = static_cast<int64_t>(i);
  std::copy(slot.pages.begin(),
            slot.pages.end(),
            numbers(table.suffix_pages) + row * table.suffix_pages.size(1));
  std::copy(slot.shared->pages.begin(),
            slot.shared->pages.end(),
            numbers(table.prefix_pages) + row * table.prefix_pages.size(1));
  step.entries[i] = {.serial = slot.serial, .index = slot.next};
  const bool chooses = slot.next + 1 == slot.tokens();
  if (chooses && !slot.branch->candidates().empty()) step.is_awaited = true;
  ++slot.next;
}

// Slots of one prefix side by side, as many as fill a tile.
void DeviceRun::plan_prefix_tiles(const Step& step) {
  const at::Tensor& tiles = host_[step.buffer].table.prefix_tiles;  // (B, width)
  const int64_t width = tiles.size(1);
  std::map<const SharedText*, std::pair<int64_t, int64_t>>
      open;  // the prefix's last tile, its slots
  int64_t count = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (step.entries[i].serial == 0 || slots_[i].shared->prefix_length() == 0) continue;
    auto [tile, is_new] = open.try_emplace(slots_[i].shared.get(), -1, width);
    auto& [number, filled] = tile->second;
    if (filled == width) {
      number = count++;
      filled = 0;
    }
    numbers(tiles)[number * width + filled++] = static_cast<int32_t>(i);
  }
}

// Tables of the device and the host with room for so many pages a slot, in powers of two: a step is
// recorded again only as often.
void DeviceRun::grow_tables(int64_t suffix_pages, int64_t prefix_pages) {
  int64_t suffix = model_.table().suffix_pages.size(1);
  int64_t prefix = model_.table().prefix_pages.size(1);
  const bool fits = suffix_pages <= suffix && prefix_pages <= prefix;
  if (fits && host_[0].table.memory.defined()) return;
  while (suffix < suffix_pages) suffix *= 2;
  while (prefix < prefix_pages) prefix *= 2;
  if (!fits) {
    queue_.forget_recording();
    model_.resize_table(suffix, prefix);
  }
  for (HostBuffers& host : host_) {
    host.table = make_slot_table({.slots = model_.slots(),
                                  .suffix_pages = suffix,
                                  .prefix_pages = prefix,
                                  .slots_of_tile = model_.slots_of_tile()},
                                 at::kCPU,
                                 queue_.pins_memory());
  }
}

void DeviceRun::enqueue(const Step& step) {
  const HostBuffers& host = host_[step.buffer];
  model_.table().memory.copy_(host.table.memory, /*non_blocking=*/true);
  queue_.run_step([&] { model_.enqueue_step(); });
  host.choices.chosen.copy_(model_.choices().chosen, /*non_blocking=*/true);
  host.choices.scores.copy_(model_.choices().scores, /*non_blocking=*/true);
  queue_.mark(step.buffer);
}

void DeviceRun::take_results(const Step& step) {
  queue_.wait(step.buffer);
  int64_t chosen = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Entry& entry = step.entries[i];
    const Slot& slot = slots_[i];
    // A slot that went back, or to another branch, has no use for it.
    const bool is_wanted = entry.serial > 0 && entry.serial == slot.serial &&
                           entry.index < slot.next && entry.index + 1 == slot.tokens();
    if (!is_wanted) continue;
    take_choice(i, entry.index, step);
    ++chosen;
  }
  seams_.sink.stepped(chosen);
}

// The token after `index`, the last one of the slot's branch.
void DeviceRun::take_choice(size_t i, int64_t index, const Step& step) {
  Slot& slot = slots_[i];
  Branch& branch = *slot.branch;
  const auto row = static_cast<int64_t>(i);
  const SlotChoices& choices = host_[step.buffer].choices;
  const int64_t id = numbers(choices.chosen)[i];
  const float* scores = choices.scores.const_data_ptr<float>() + row * 3;
  if (!branch.candidates().empty()) {
    const at::Tensor logits = model_.logits().select(0, row).cpu();  // (V)
    branch.add_candidate(logits.const_data_ptr<float>());
  } else if (scores[2] != 0) {
    branch.add({.id = id, .is_forced = false, .log_probability = scores[0], .margin = scores[1]});
  } else {
    branch.break_off_as_not_finite();
  }
  if (branch.is_finished()) {
    seams_.sink.finished(branch.take_result());
    return release(slot);
  }
  // The device goes on with its choice; what the rule put in its place is read instead.
  const bool is_kept = slot.tokens() > index + 1 && slot.token(index + 1) == id;
  if (is_kept) return;
  slot.next = index + 1;
  if (in_flight_) in_flight_->entries[i] = {};
}

}  // namespace thoughtrank
