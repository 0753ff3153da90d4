#include "thoughtrank/kernels/decode_step.h"

#include <ATen/core/Formatting.h>
#include <ATen/ops/empty.h>

#include <string_view>
#include <vector>

#include "kernels/decode_step/enqueue.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/kernels/kv_pages.h"

namespace thoughtrank {
namespace {

using decode_step::Bf16;
using decode_step::enqueue;
using decode_step::Heads;
using decode_step::KvLayer;
using decode_step::Slots;

static_assert(decode_step::kPage == kPageTokens && decode_step::kTile == kTileRows);

constexpr int64_t kVector = 8;     // elements that a lane loads at once: widths are multiples
constexpr size_t kAlignment = 16;  // bytes, of such a load
constexpr int kLargestHead = 128;  // D that the attention kernels hold in registers

// Checks the tensors of one operation.
class Checker {
 public:
  Checker(std::string_view operation, at::Device device) : name_(operation), device_(device) {}

  // Sizes of −1 may be anything.
  void expect(std::string_view tensor,
              const at::Tensor& t,
              const std::vector<int64_t>& sizes,
              at::ScalarType dtype) const {
    const auto fits = [&] {
      if (t.dim() != std::ssize(sizes)) return false;
      for (int64_t i = 0; i < t.dim(); ++i) {
        const int64_t size = sizes[static_cast<size_t>(i)];
        if (size >= 0 && t.size(i) != size) return false;
      }
      return t.scalar_type() == dtype && t.is_contiguous() && t.device() == device_ &&
             (dtype == at::kInt ||
              reinterpret_cast<uintptr_t>(t.const_data_ptr()) % kAlignment == 0);
    };
    if (!t.defined()) refuse("{} is not there", tensor);
    if (!fits()) {
      refuse("{} should be {} {}, contiguous, aligned and on {}, found {} {} on {}",
             tensor,
             at::toString(dtype),
             fmt::join(sizes, " × "),
             device_.str(),
             at::toString(t.scalar_type()),
             fmt::join(t.sizes(), " × "),
             t.device().str());
    }
  }
  void expect_type(at::ScalarType dtype) const {
    if (dtype == at::kFloat || dtype == at::kBFloat16) return;
    refuse("weights should be float32 or bfloat16, found {}", at::toString(dtype));
  }
  void expect_width(int64_t width) const {
    if (width % kVector == 0) return;
    refuse("widths should be multiples of {}, found {}", kVector, width);
  }
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> message, Args&&... args) const {
    fail(ExitCode::kInternal, "{}: {}", name_, fmt::format(message, std::forward<Args>(args)...));
  }

 private:
  std::string_view name_;
  at::Device device_;
};

// function(T{}) with T the element type of `dtype`.
template <class Function>
void with_type(at::ScalarType dtype, const Function& function) {
  if (dtype == at::kFloat) return function(float{});
  function(Bf16{});
}

template <class T>
T* data(const at::Tensor& t) {
  return t.defined() ? static_cast<T*>(t.mutable_data_ptr()) : nullptr;
}
template <class T>
const T* const_data(const at::Tensor& t) {
  return t.defined() ? static_cast<const T*>(t.const_data_ptr()) : nullptr;
}

Slots checked(const Checker& check, const SlotTable& table) {
  const int64_t slots = table.length.size(0);
  check.expect("slots.token", table.token, {slots}, at::kInt);
  check.expect("slots.position", table.position, {slots}, at::kInt);
  check.expect("slots.length", table.length, {slots}, at::kInt);
  check.expect("slots.prefix_length", table.prefix_length, {slots}, at::kInt);
  check.expect("slots.suffix_pages", table.suffix_pages, {slots, -1}, at::kInt);
  check.expect("slots.prefix_pages", table.prefix_pages, {slots, -1}, at::kInt);
  check.expect("slots.prefix_tiles", table.prefix_tiles, {slots, -1}, at::kInt);
  return {.count = static_cast<int>(slots),
          .most_suffix_pages = static_cast<int>(table.suffix_pages.size(1)),
          .most_prefix_pages = static_cast<int>(table.prefix_pages.size(1)),
          .slots_of_tile = static_cast<int>(table.prefix_tiles.size(1)),
          .token = const_data<int32_t>(table.token),
          .position = const_data<int32_t>(table.position),
          .length = const_data<int32_t>(table.length),
          .prefix_length = const_data<int32_t>(table.prefix_length),
          .suffix_pages = const_data<int32_t>(table.suffix_pages),
          .prefix_pages = const_data<int32_t>(table.prefix_pages),
          .prefix_tiles = const_data<int32_t>(table.prefix_tiles)};
}

Heads checked(const Checker& check, const HeadShape& shape) {
  check.expect_width(shape.head_dim);
  if (shape.kv_heads <= 0 || shape.heads % shape.kv_heads != 0 ||
      shape.heads / shape.kv_heads > kTileRows || shape.head_dim > kLargestHead) {
    check.refuse(
        "query heads should come in groups of at most {} and have at most {} elements, found {} "
        "query heads on {} key/value heads of {}",
        kTileRows,
        kLargestHead,
        shape.heads,
        shape.kv_heads,
        shape.head_dim);
  }
  return {static_cast<int>(shape.heads),
          static_cast<int>(shape.kv_heads),
          static_cast<int>(shape.head_dim)};
}

// The layer of the pages, and that the rows, `count` of them, fit to it.
template <class T>
KvLayer<T> checked(const Checker& check, const LayerRows& rows, int64_t count) {
  const Heads heads = checked(check, rows.shape);
  const at::ScalarType dtype = rows.qkv.scalar_type();
  check.expect_type(dtype);
  check.expect("qkv", rows.qkv, {count, heads.row()}, dtype);
  const at::Tensor& pages = rows.kv.pages;
  check.expect("pages", pages, {-1, -1, heads.kv, 2, kPageTokens, heads.size}, dtype);
  const int64_t layers = pages.size(1);
  if (rows.layer < 0 || rows.layer >= layers) check.refuse("layer {} of {}", rows.layer, layers);
  return {data<T>(pages), static_cast<int>(layers), static_cast<int>(rows.layer), heads};
}

void check_part(const Checker& check, const PrefixPart& part, const Slots& slots, const Heads& h) {
  check.expect("sums", part.sums, {slots.count, h.query, h.size}, at::kFloat);
  check.expect("states", part.states, {slots.count, h.query, 2}, at::kFloat);
}

void check_places(const Checker& check, const RowPlaces& places, int64_t rows) {
  check.expect("places.position", places.position, {rows}, at::kInt);
  check.expect("places.page", places.page, {rows}, at::kInt);
  check.expect("places.place", places.place, {rows}, at::kInt);
}

}  // namespace

SlotTable make_slot_table(const SlotTableShape& shape, at::Device device, bool is_pinned) {
  const int64_t B = shape.slots;
  const int64_t numbers = B * (4 + shape.suffix_pages + shape.prefix_pages + shape.slots_of_tile);
  SlotTable table;
  table.memory =
      at::empty({numbers}, at::TensorOptions(at::kInt).device(device).pinned_memory(is_pinned));
  table.memory.zero_();
  int64_t first = 0;
  const auto take = [&](int64_t count) {
    first += count;
    return table.memory.narrow(0, first - count, count);
  };
  table.token = take(B).fill_(-1);
  table.position = take(B);
  table.length = take(B);
  table.prefix_length = take(B);
  table.suffix_pages = take(B * shape.suffix_pages).view({B, shape.suffix_pages});
  table.prefix_pages = take(B * shape.prefix_pages).view({B, shape.prefix_pages});
  table.prefix_tiles = take(B * shape.slots_of_tile).view({B, shape.slots_of_tile}).fill_(-1);
  return table;
}

void embed_slots(const SlotTable& slots,
                 const at::Tensor& chosen,
                 const at::Tensor& table,
                 const at::Tensor& x) {
  const Checker check("embed_slots", x.device());
  const Slots view = checked(check, slots);
  check.expect_type(table.scalar_type());
  check.expect_width(x.size(1));
  check.expect("chosen", chosen, {view.count}, at::kInt);
  check.expect("table", table, {-1, x.size(1)}, table.scalar_type());
  check.expect("x", x, {view.count, -1}, at::kFloat);
  with_type(table.scalar_type(), [&]<class T>(T) {
    enqueue(x.device(),
            decode_step::EmbedSlots<T>{.slots = view,
                                       .chosen = const_data<int32_t>(chosen),
                                       .table = const_data<T>(table),
                                       .x = data<float>(x),
                                       .width = static_cast<int>(x.size(1))});
  });
}

void add_rms_norm_rows(const at::Tensor& x,
                       const at::Tensor& delta,
                       const at::Tensor& weight,
                       double eps,
                       const at::Tensor& out) {
  const Checker check("add_rms_norm_rows", x.device());
  const at::ScalarType dtype = weight.scalar_type();
  check.expect_type(dtype);
  check.expect_width(x.size(1));
  check.expect("x", x, {-1, -1}, at::kFloat);
  if (delta.defined()) check.expect("delta", delta, {x.size(0), x.size(1)}, dtype);
  check.expect("weight", weight, {x.size(1)}, dtype);
  check.expect("out", out, {x.size(0), x.size(1)}, dtype);
  with_type(dtype, [&]<class T>(T) {
    enqueue(x.device(),
            decode_step::NormRows<T>{.x = data<float>(x),
                                     .delta = const_data<T>(delta),
                                     .weight = const_data<T>(weight),
                                     .out = data<T>(out),
                                     .rows = x.size(0),
                                     .width = static_cast<int>(x.size(1)),
                                     .eps = static_cast<float>(eps)});
  });
}

void silu_mul_rows(const at::Tensor& gate_up, const at::Tensor& out) {
  const Checker check("silu_mul_rows", out.device());
  check.expect_type(out.scalar_type());
  check.expect_width(out.size(1));
  check.expect("gate_up", gate_up, {out.size(0), 2 * out.size(1)}, out.scalar_type());
  check.expect("out", out, {-1, -1}, out.scalar_type());
  with_type(out.scalar_type(), [&]<class T>(T) {
    enqueue(out.device(),
            decode_step::SiluRows<T>{.gate_up = const_data<T>(gate_up),
                                     .out = data<T>(out),
                                     .rows = out.size(0),
                                     .width = static_cast<int>(out.size(1))});
  });
}

void find_places(const SlotTable& slots, const RowPlaces& places) {
  const Checker check("find_places", places.page.device());
  const Slots view = checked(check, slots);
  check_places(check, places, view.count);
  enqueue(places.page.device(),
          decode_step::FindPlaces{.slots = view,
                                  .position = data<int32_t>(places.position),
                                  .page = data<int32_t>(places.page),
                                  .place = data<int32_t>(places.place)});
}

void rotate_and_store(const LayerRows& rows,
                      const RowPlaces& places,
                      const at::Tensor& cos,
                      const at::Tensor& sin) {
  const at::Tensor& qkv = rows.qkv;
  const Checker check("rotate_and_store", qkv.device());
  check_places(check, places, qkv.size(0));
  check.expect("cos", cos, {-1, rows.shape.head_dim}, at::kFloat);
  check.expect("sin", sin, {cos.size(0), rows.shape.head_dim}, at::kFloat);
  with_type(qkv.scalar_type(), [&]<class T>(T) {
    enqueue(qkv.device(),
            decode_step::RotateRows<T>{.qkv = data<T>(qkv),
                                       .rows = qkv.size(0),
                                       .position = const_data<int32_t>(places.position),
                                       .page = const_data<int32_t>(places.page),
                                       .place = const_data<int32_t>(places.place),
                                       .cos = const_data<float>(cos),
                                       .sin = const_data<float>(sin),
                                       .kv = checked<T>(check, rows, /*count=*/-1)});
  });
}

void attend_prefixes(const LayerRows& rows, const SlotTable& slots, const PrefixPart& part) {
  const at::Tensor& qkv = rows.qkv;
  const Checker check("attend_prefixes", qkv.device());
  const Slots view = checked(check, slots);
  const Heads heads = checked(check, rows.shape);
  if (const int64_t expected = kTileRows / heads.group(); view.slots_of_tile != expected) {
    check.refuse("a tile should have {} slots, found {}", expected, view.slots_of_tile);
  }
  check_part(check, part, view, heads);
  with_type(qkv.scalar_type(), [&]<class T>(T) {
    enqueue(qkv.device(),
            decode_step::AttendPrefixes<T>{.qkv = const_data<T>(qkv),
                                           .slots = view,
                                           .kv = checked<const T>(check, rows, view.count),
                                           .sums = data<float>(part.sums),
                                           .states = data<float>(part.states)});
  });
}

void attend_suffixes(const LayerRows& rows,
                     const SlotTable& slots,
                     const PrefixPart& prefix,
                     const at::Tensor& out) {
  const at::Tensor& qkv = rows.qkv;
  const Checker check("attend_suffixes", qkv.device());
  const Slots view = checked(check, slots);
  const Heads heads = checked(check, rows.shape);
  check_part(check, prefix, view, heads);
  check.expect("out", out, {view.count, int64_t{heads.query} * heads.size}, qkv.scalar_type());
  with_type(qkv.scalar_type(), [&]<class T>(T) {
    enqueue(qkv.device(),
            decode_step::AttendSuffixes<T>{.qkv = const_data<T>(qkv),
                                           .slots = view,
                                           .kv = checked<const T>(check, rows, view.count),
                                           .sums = const_data<float>(prefix.sums),
                                           .states = const_data<float>(prefix.states),
                                           .out = data<T>(out)});
  });
}

void choose_tokens(const at::Tensor& logits, const SlotChoices& choices) {
  const Checker check("choose_tokens", logits.device());
  check.expect("logits", logits, {-1, -1}, at::kFloat);
  check.expect("chosen", choices.chosen, {logits.size(0)}, at::kInt);
  check.expect("scores", choices.scores, {logits.size(0), 3}, at::kFloat);
  enqueue(logits.device(),
          decode_step::ChooseTokens{.logits = const_data<float>(logits),
                                    .slots = static_cast<int>(logits.size(0)),
                                    .vocabulary = static_cast<int>(logits.size(1)),
                                    .chosen = data<int32_t>(choices.chosen),
                                    .scores = data<float>(choices.scores)});
}

}  // namespace thoughtrank
