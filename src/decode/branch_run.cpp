#include "decode/branch_run.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "decode/checks.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/kernels/row_ops.h"
#include "thoughtrank/kernels/vocabulary.h"

namespace thoughtrank {
namespace {

void break_off(Branch& branch) {
  branch.break_off(
      fmt::format("the model's logits after token {} of the branch are not finite numbers",
                  branch.token_ids().size()));
}

}  // namespace

void BranchRun::run() {
  while (true) {
    seams_.stop.throw_if_set();
    fill_slots();
    if (slots_.empty()) return;
    step();
  }
}

void BranchRun::fill_slots() {
  while (std::ssize(slots_) < slot_count_) {
    if (waiting_.next == waiting_.group.branches.size() && !open_group()) return;
    while (std::ssize(slots_) < slot_count_ && waiting_.next < waiting_.group.branches.size()) {
      admit();
    }
  }
}

// Fetches the next group and reads its shared ids; false when the source is dry.
bool BranchRun::open_group() {
  waiting_ = {};
  std::optional<BranchGroup> group = seams_.source.next();
  if (!group) return false;
  require_group_fits(*group, model_.config());
  Prefix prefix{KvSequence(model_.kv_pool()), {}};
  prefix.last_row =
      model_.read_text(group->shared_ids, prefix.sequence, [&] { seams_.stop.throw_if_set(); });
  waiting_.group = std::move(*group);
  waiting_.prefix = std::make_shared<const Prefix>(std::move(prefix));
  return true;
}

void BranchRun::admit() {
  BranchStart& start = waiting_.group.branches[waiting_.next++];
  Branch branch(waiting_.group.group, std::move(start));
  if (branch.is_finished()) {
    seams_.sink.finished(branch.take_result());
    return;
  }
  const int64_t first_place = waiting_.prefix->sequence.length() % kPageTokens;
  slots_.push_back({std::move(branch), waiting_.prefix, KvSequence(model_.kv_pool(), first_place)});
}

void BranchRun::step() {
  const Reading reading = plan_reading();
  const at::Tensor hidden = read(reading);  // (choosers, C)
  choose(reading.choosers, hidden);
  hand_over_finished();
  seams_.sink.stepped(std::ssize(reading.choosers));
}

// Every branch reads all it has added, as far as the rows of one pass reach: at least one token.
BranchRun::Reading BranchRun::plan_reading() {
  Reading reading;
  int64_t spare = model_.most_rows() - std::ssize(slots_);
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const int64_t unread = slot.branch.unread();
    const int64_t rows = std::min(unread, spare + 1);
    if (rows > 0) {
      spare -= rows - 1;
      add_rows(slot, rows, reading);
    }
    if (rows == unread) {
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
  const KvSequence* prefix = &slot.prefix->sequence;
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
      of_prefixes.push_back(slot.prefix->last_row);
    }
  }
  if (reading.batch.rows == 0) return at::cat(of_prefixes);
  const at::Tensor rows = model_.forward(reading.ids, reading.batch, wanted);
  if (of_prefixes.empty()) return rows;
  of_prefixes.insert(of_prefixes.begin(), rows);
  return copy_rows(at::cat(of_prefixes), places);
}

void BranchRun::choose(const std::vector<size_t>& choosers, const at::Tensor& hidden) {
  Choice free, bound;
  for (size_t i = 0; i < choosers.size(); ++i) {
    const bool is_free = slots_[choosers[i]].branch.candidates().empty();
    Choice& choice = is_free ? free : bound;
    choice.slots.push_back(choosers[i]);
    choice.rows.push_back(static_cast<int64_t>(i));
  }
  if (bound.slots.empty()) return choose_freely(choosers, hidden);
  if (!free.slots.empty()) choose_freely(free.slots, copy_rows(hidden, free.rows));
  const at::Tensor logits = model_.logits(copy_rows(hidden, bound.rows));  // (bound, V)
  for (size_t i = 0; i < bound.slots.size(); ++i) {
    const float* row = logits.const_data_ptr<float>() + static_cast<int64_t>(i) * logits.size(1);
    choose_among_candidates(slots_[bound.slots[i]], row);
  }
}

void BranchRun::choose_freely(const std::vector<size_t>& choosers, const at::Tensor& hidden) {
  const auto rows = model_.read_vocabulary(hidden, /*wanted=*/{});
  for (size_t i = 0; i < choosers.size(); ++i) {
    Branch& branch = slots_[choosers[i]].branch;
    const VocabularyRow& row = rows[i];
    if (!row.is_finite) {
      break_off(branch);
      continue;
    }
    branch.add({.id = row.best_id,
                .is_forced = false,
                .log_probability = row.best_logit - row.log_sum_exp,
                .margin = static_cast<double>(row.best_logit) - row.second_logit});
  }
}

// The most probable candidate, the lowest id on ties. It counts as forced: the choice was not the
// model's alone.
void BranchRun::choose_among_candidates(Slot& slot, const float* row) {
  int64_t best = slot.branch.candidates().front();
  bool is_finite = true;
  for (const int64_t id : slot.branch.candidates()) {
    is_finite = is_finite && std::isfinite(row[id]);
    if (row[id] > row[best] || (row[id] == row[best] && id < best)) best = id;
  }
  if (is_finite) {
    slot.branch.add({.id = best, .is_forced = true});
  } else {
    break_off(slot.branch);
  }
}

void BranchRun::hand_over_finished() {
  for (Slot& slot : slots_) {
    if (slot.branch.is_finished()) seams_.sink.finished(slot.branch.take_result());
  }
  std::erase_if(slots_, [](const Slot& slot) { return slot.branch.is_finished(); });
}

}  // namespace thoughtrank
