#include "decode/branch_run.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "decode/sampling.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/kernels/row_ops.h"
#include "thoughtrank/kernels/vocabulary.h"

namespace thoughtrank {
void BranchRun::run() {
  while (true) {
    seams_.stop.throw_if_set();
    admission_.fill();
    if (slots_.empty()) return;
    admission_.make_room();
    if (!slots_.empty()) step();
  }
}

std::shared_ptr<SharedText> BranchRun::make_text(const std::vector<int64_t>& ids) {
  return std::make_shared<PackedText>(ids, model_.kv_pool());
}

bool BranchRun::read(SharedText& shared) {
  auto& text = static_cast<PackedText&>(shared);
  if (text.sequence.length() > 0) return true;
  KvSequence begun(model_.kv_pool());
  last_text_.lend_beginning(text.ids, begun);
  if (!reserve(begun.pages_for(std::ssize(text.ids) - begun.length()))) return false;
  text.sequence = std::move(begun);
  text.last_row = model_.read_text(text.ids, text.sequence, [&] { seams_.stop.throw_if_set(); });
  last_text_.keep(text.ids, text.sequence);
  return true;
}

void BranchRun::forget_unless_used(SharedText& shared) {
  auto& text = static_cast<PackedText&>(shared);
  const bool is_used = std::any_of(
      slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.shared.get() == &text; });
  if (!is_used) text.sequence.clear();
}

void BranchRun::occupy(Decodable one) {
  const int64_t first_place = std::ssize(one.shared->ids) % kPageTokens;
  slots_.push_back({std::move(one.branch),
                    std::static_pointer_cast<PackedText>(one.shared),
                    KvSequence(model_.kv_pool(), first_place)});
}

Decodable BranchRun::vacate_newest() {
  Slot slot = std::move(slots_.back());
  slots_.pop_back();
  return {std::move(slot.branch), std::move(slot.shared)};
}

std::string BranchRun::describe_memory() const {
  const KvPool& pool = model_.kv_pool();
  const auto bytes = static_cast<double>(pool.most_pages() * pool.page_bytes());
  return fmt::format("the {:.1f} MiB that are left for keys and values do not hold it alone",
                     bytes / (1 << 20));
}

// Has so many free pages ready, at the cost of shared texts that no slot reads.
bool BranchRun::reserve(int64_t pages) {
  if (model_.kv_pool().reserve(pages)) return true;
  admission_.forget_idle_texts();
  last_text_.forget();
  return model_.kv_pool().reserve(pages);
}

void BranchRun::step() {
  const Reading reading = plan_reading();
  const at::Tensor hidden = read(reading);  // (choosers, C)
  choose(reading.choosers, hidden);
  hand_over_finished();
  seams_.sink.stepped(std::ssize(reading.choosers));
}

// Every branch reads all it has added, as far as the rows of one pass reach: at least one token.
std::vector<int64_t> BranchRun::rows_of_slots() const {
  std::vector<int64_t> all;
  int64_t spare = model_.most_rows() - std::ssize(slots_);
  for (const Slot& slot : slots_) {
    const int64_t rows = std::min(slot.branch.unread(), spare + 1);
    if (rows > 0) spare -= rows - 1;
    all.push_back(rows);
  }
  return all;
}

int64_t BranchRun::pages_of_next_pass() const {
  const std::vector<int64_t> rows = rows_of_slots();
  int64_t pages = 0;
  for (size_t i = 0; i < slots_.size(); ++i) pages += slots_[i].sequence.pages_for(rows[i]);
  return pages;
}

BranchRun::Reading BranchRun::plan_reading() {
  Reading reading;
  const std::vector<int64_t> rows = rows_of_slots();
  for (size_t i = 0; i < slots_.size(); ++i) {
    const bool is_read_to_its_end = rows[i] == slots_[i].branch.unread();
    if (rows[i] > 0) add_rows(slots_[i], rows[i], reading);
    if (is_read_to_its_end) {
      reading.choosers.push_back(i);
      reading.last_rows.push_back(reading.batch.rows - 1);
    }
  }
  return reading;
}

void BranchRun::add_rows(Slot& slot, int64_t rows, Reading& reading) {
  AttentionBatch& batch = reading.batch;
  const auto first = slot.branch.token_ids().begin() + slot.branch.read();
  reading.ids.insert(reading.ids.end(), first, first + rows);
  const KvSequence* prefix = &slot.shared->sequence;
  if (batch.prefixes.empty() || batch.prefixes.back().prefix != prefix) {
    batch.prefixes.push_back({prefix, batch.rows, 0});
  }
  batch.prefixes.back().rows += rows;
  const int64_t position = prefix->length() + slot.branch.read();
  batch.sequences.push_back({&slot.sequence, batch.rows, rows, position});
  batch.rows += rows;
  slot.branch.mark_read(rows);
}

// The rows that the choosers' next tokens follow from: of this pass, or, for a branch without a
// head, of its prefix.
at::Tensor BranchRun::read(const Reading& reading) {
  std::vector<int64_t> places;
  std::vector<at::Tensor> of_prefixes;
  std::vector<int64_t> wanted;
  for (size_t i = 0; i < reading.choosers.size(); ++i) {
    const Slot& slot = slots_[reading.choosers[i]];
    if (slot.branch.read() > 0) wanted.push_back(reading.last_rows[i]);
  }
  for (size_t i = 0, from_pass = 0; i < reading.choosers.size(); ++i) {
    const Slot& slot = slots_[reading.choosers[i]];
    if (slot.branch.read() > 0) {
      places.push_back(static_cast<int64_t>(from_pass++));
    } else {
      places.push_back(std::ssize(wanted) + std::ssize(of_prefixes));
      of_prefixes.push_back(slot.shared->last_row);
    }
  }
  if (reading.batch.rows == 0) return at::cat(of_prefixes);
  const at::Tensor rows = model_.forward(reading.ids, reading.batch, wanted);
  if (of_prefixes.empty()) return rows;
  of_prefixes.insert(of_prefixes.begin(), rows);
  return copy_rows(at::cat(of_prefixes), places);
}

void BranchRun::choose(const std::vector<size_t>& choosers, const at::Tensor& hidden) {
  Choice best, bound, drawn;
  for (size_t i = 0; i < choosers.size(); ++i) {
    const Branch& branch = slots_[choosers[i]].branch;
    Choice& choice = !branch.candidates().empty()        ? bound
                     : branch.sampling().temperature > 0 ? drawn
                                                         : best;
    choice.slots.push_back(choosers[i]);
    choice.rows.push_back(static_cast<int64_t>(i));
  }
  const auto rows_of = [&](const Choice& choice) {
    return choice.rows.size() == choosers.size() ? hidden : copy_rows(hidden, choice.rows);
  };
  if (!best.slots.empty()) choose_best(best, rows_of(best));
  if (!bound.slots.empty()) choose_among_candidates(bound, rows_of(bound));
  if (!drawn.slots.empty()) draw(drawn, rows_of(drawn));
}

void BranchRun::choose_best(const Choice& choice, const at::Tensor& hidden) {
  const auto rows = model_.read_vocabulary(hidden, /*wanted=*/{});
  for (size_t i = 0; i < choice.slots.size(); ++i) {
    Branch& branch = slots_[choice.slots[i]].branch;
    const VocabularyRow& row = rows[i];
    if (!row.is_finite) {
      branch.break_off_as_not_finite();
      continue;
    }
    branch.add({.id = row.best_id,
                .is_forced = false,
                .log_probability = row.best_logit - row.log_sum_exp,
                .margin = static_cast<double>(row.best_logit) - row.second_logit});
  }
}

void BranchRun::choose_among_candidates(const Choice& choice, const at::Tensor& hidden) {
  const at::Tensor logits = model_.logits(hidden);  // (choosers, V)
  for (size_t i = 0; i < choice.slots.size(); ++i) {
    const float* row = logits.const_data_ptr<float>() + static_cast<int64_t>(i) * logits.size(1);
    slots_[choice.slots[i]].branch.add_candidate(row);
  }
}

void BranchRun::draw(const Choice& choice, const at::Tensor& hidden) {
  const at::Tensor logits = model_.logits(hidden);  // (choosers, V)
  std::vector<std::optional<TokenChoice>> tokens(choice.slots.size());
  model_.threads().for_each(std::ssize(choice.slots), [&](int64_t i) {
    const Branch& branch = slots_[choice.slots[static_cast<size_t>(i)]].branch;
    tokens[static_cast<size_t>(i)] = draw_token(logits.const_data_ptr<float>() + i * logits.size(1),
                                                logits.size(1),
                                                branch.sampling(),
                                                branch.choices());
  });
  for (size_t i = 0; i < choice.slots.size(); ++i) {
    Branch& branch = slots_[choice.slots[i]].branch;
    if (tokens[i]) {
      branch.add(*tokens[i]);
    } else {
      branch.break_off_as_not_finite();
    }
  }
}

void BranchRun::hand_over_finished() {
  for (Slot& slot : slots_) {
    if (slot.branch.is_finished()) seams_.sink.finished(slot.branch.take_result());
  }
  std::erase_if(slots_, [](const Slot& slot) { return slot.branch.is_finished(); });
}

}  // namespace thoughtrank
