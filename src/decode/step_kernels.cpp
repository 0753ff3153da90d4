#include "decode/step_kernels.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "thoughtrank/core/error.h"
#include "thoughtrank/decode/decoder.h"
#include "thoughtrank/kernels/kv_pages.h"

namespace thoughtrank {

namespace plain {
namespace {

void add_rms_norm(const at::Tensor& x,
                  const at::Tensor& delta,
                  const at::Tensor& weight,
                  double eps,
                  const at::Tensor& out) {
  if (delta.defined()) x.add_(delta);
  const at::Tensor scale = at::rsqrt(x.square().mean(-1, /*keepdim=*/true) + eps);
  out.copy_(x * scale * weight);
}

void silu_mul(const at::Tensor& gate_up, const at::Tensor& out) {
  const auto halves = gate_up.to(at::kFloat).chunk(2, -1);
  out.copy_(at::silu(halves[0]) * halves[1]);
}

// Rows that are stored nowhere (page −1) fall into the last page, which the caller keeps free.
void rotate_and_store(const LayerRows& rows,
                      const RowPlaces& places,
                      const at::Tensor& cos,
                      const at::Tensor& sin) {
  const int64_t R = rows.qkv.size(0);
  const auto [H, K, D] = rows.shape;
  const at::Tensor all = rows.qkv.view({R, H + 2 * K, D});
  const at::Tensor turned = all.narrow(1, 0, H + K);
  const at::Tensor position = places.position.to(at::kLong);
  const auto angle = [&](const at::Tensor& table) {
    return table.index_select(0, position).unsqueeze(1);
  };
  const at::Tensor plain = turned.to(at::kFloat);
  const at::Tensor half = at::cat({-plain.narrow(2, D / 2, D / 2), plain.narrow(2, 0, D / 2)}, 2);
  turned.copy_(plain * angle(cos) + half * angle(sin));

  const at::Tensor pages = rows.kv.pages.select(1, rows.layer);  // (pages, K, 2, 64, D)
  const at::Tensor last = at::full({}, pages.size(0) - 1, position.options());
  const at::Tensor page = at::where(places.page < 0, last, places.page.to(at::kLong));
  const at::Tensor place = places.place.to(at::kLong);
  for (int64_t values = 0; values < 2; ++values) {
    pages.select(2, values).transpose(1, 2).index_put_({page, place},
                                                       all.narrow(1, H + values * K, K));
  }
}

// Keys or values (B, K, S, D) float32 of the tokens in a table's pages (B, most).
at::Tensor gather(const at::Tensor& pages, const at::Tensor& table, int64_t values) {
  const int64_t B = table.size(0), most = table.size(1);
  const at::Tensor found = pages.index_select(0, table.reshape({-1}).to(at::kLong));
  const int64_t K = found.size(1), D = found.size(4);
  return found.select(2, values)
      .view({B, most, K, kPageTokens, D})
      .transpose(1, 2)
      .reshape({B, K, most * kPageTokens, D})
      .to(at::kFloat);
}

// (B, 1, 1, S): tokens of the pages that are in the text.
at::Tensor in_text(const at::Tensor& table, const at::Tensor& length) {
  const at::Tensor place = at::arange(table.size(1) * kPageTokens, length.options());
  return (place.unsqueeze(0) < length.unsqueeze(1)).unsqueeze(1).unsqueeze(1);
}

void attend(const LayerRows& rows, const SlotTable& slots, const at::Tensor& out) {
  const int64_t B = rows.qkv.size(0);
  const auto [H, K, D] = rows.shape;
  const at::Tensor query =
      rows.qkv.view({B, H + 2 * K, D}).narrow(1, 0, H).reshape({B, K, H / K, D}).to(at::kFloat);
  const at::Tensor pages = rows.kv.pages.select(1, rows.layer);
  const auto both = [&](int64_t values) {
    return at::cat(
        {gather(pages, slots.prefix_pages, values), gather(pages, slots.suffix_pages, values)}, 2);
  };
  const at::Tensor seen = at::cat(
      {in_text(slots.prefix_pages, slots.prefix_length), in_text(slots.suffix_pages, slots.length)},
      3);
  at::Tensor scores =
      at::matmul(query, both(0).transpose(2, 3)) / std::sqrt(static_cast<double>(D));
  scores.masked_fill_(seen.logical_not(), -std::numeric_limits<double>::infinity());
  // What lies behind the end of a text may be no number.
  const at::Tensor values = both(1).masked_fill_(seen.logical_not().transpose(2, 3), 0);
  const at::Tensor sums = at::matmul(at::softmax(scores, -1), values);  // (B, K, G, D)
  const at::Tensor is_live = (slots.length > 0).view({B, 1, 1, 1});
  out.copy_(at::where(is_live, sums, at::zeros({}, sums.options())).view({B, H * D}));
}

void choose(const at::Tensor& logits, const SlotChoices& choices) {
  const at::Tensor best = std::get<0>(at::topk(logits, 2));
  choices.chosen.copy_(at::argmax(logits, -1));
  choices.scores.select(1, 0).copy_(best.select(1, 0) - at::logsumexp(logits, -1));
  choices.scores.select(1, 1).copy_(best.select(1, 0) - best.select(1, 1));
  choices.scores.select(1, 2).copy_(at::isfinite(logits).all(-1));
}

}  // namespace
}  // namespace plain

const std::vector<std::string>& step_kernel_names() {
  static const std::vector<std::string> names = {
      "rms_norm", "silu_mul", "rotate_and_store", "attention", "choose_tokens"};
  return names;
}

StepKernels::StepKernels(const std::vector<std::string>& without) {
  const std::vector<std::string>& names = step_kernel_names();
  for (const std::string& name : without) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) fail(ExitCode::kUsage, "there is no kernel '{}'", name);
    is_plain_.at(static_cast<size_t>(found - names.begin())) = true;
  }
}

void StepKernels::add_rms_norm(const at::Tensor& x,
                               const at::Tensor& delta,
                               const at::Tensor& weight,
                               double eps,
                               const at::Tensor& out) const {
  (is_plain_[kRmsNorm] ? plain::add_rms_norm : add_rms_norm_rows)(x, delta, weight, eps, out);
}

void StepKernels::silu_mul(const at::Tensor& gate_up, const at::Tensor& out) const {
  (is_plain_[kSiluMul] ? plain::silu_mul : silu_mul_rows)(gate_up, out);
}

void StepKernels::rotate_and_store(const LayerRows& rows,
                                   const RowPlaces& places,
                                   const at::Tensor& cos,
                                   const at::Tensor& sin) const {
  const auto operation =
      is_plain_[kRotateAndStore] ? plain::rotate_and_store : thoughtrank::rotate_and_store;
  operation(rows, places, cos, sin);
}

void StepKernels::attend(const LayerRows& rows,
                         const SlotTable& slots,
                         const PrefixPart& prefix,
                         const at::Tensor& out) const {
  if (is_plain_[kAttention]) return plain::attend(rows, slots, out);
  attend_prefixes(rows, slots, prefix);
  attend_suffixes(rows, slots, prefix, out);
}

void StepKernels::choose(const at::Tensor& logits, const SlotChoices& choices) const {
  (is_plain_[kChooseTokens] ? plain::choose : choose_tokens)(logits, choices);
}

}  // namespace thoughtrank
