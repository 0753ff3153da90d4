#include "kernels/decode_scene.h"

#include <algorithm>
#include <limits>

#include "kernels/random_tensors.h"
#include "thoughtrank/kernels/kv_pages.h"

namespace thoughtrank {
namespace {

struct KeysAndValues {
  at::Tensor keys, values;  // (tokens, K, D)
};

KeysAndValues random_text(const SceneSpec& spec, int64_t tokens, uint64_t seed) {
  const std::vector<int64_t> sizes = {tokens, spec.shape.kv_heads, spec.shape.head_dim};
  return {random_tensor(sizes, 3 * seed).to(spec.dtype),
          random_tensor(sizes, 3 * seed + 1).to(spec.dtype)};
}

KeysAndValues prefix_text(const SceneSpec& spec, int prefix) {
  const int64_t tokens = prefix < 0 ? 0 : spec.prefixes[static_cast<size_t>(prefix)];
  return random_text(spec, tokens, 1000 + static_cast<uint64_t>(prefix + 1));
}

int64_t pages_of(int64_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

int64_t most_pages(const std::vector<int64_t>& lengths) {
  int64_t most = 1;
  for (const int64_t length : lengths) most = std::max(most, pages_of(length));
  return most;
}

// Hands out pages in an order that is not theirs, and writes texts into them.
class Pages {
 public:
  Pages(const DeviceKv& kv) : kv_(kv), next_(kv.pages.size(0)) {}

  // Writes the numbers of the pages into `list` (most pages) int32.
  void write(const KeysAndValues& text, const at::Tensor& list) {
    const int64_t tokens = text.keys.size(0);
    for (int64_t first = 0; first < tokens; first += kPageTokens) {
      const int64_t page = --next_, count = std::min(kPageTokens, tokens - first);
      list[first / kPageTokens] = page;
      const at::Tensor to = kv_.pages[page][kSceneLayer].narrow(-2, 0, count);  // (K, 2, count, D)
      to.select(1, 0).copy_(text.keys.narrow(0, first, count).transpose(0, 1));
      to.select(1, 1).copy_(text.values.narrow(0, first, count).transpose(0, 1));
    }
  }

 private:
  DeviceKv kv_;
  int64_t next_;
};

SlotTable empty_table(const SceneSpec& spec, at::Device device) {
  std::vector<int64_t> lengths;
  for (const SceneSlot& slot : spec.slots) lengths.push_back(slot.length);
  return make_slot_table({.slots = std::ssize(spec.slots),
                          .suffix_pages = most_pages(lengths),
                          .prefix_pages = most_pages(spec.prefixes),
                          .slots_of_tile = kTileRows / (spec.shape.heads / spec.shape.kv_heads)},
                         device);
}

// Slots of one prefix side by side in tiles.
void fill_tiles(const SceneSpec& spec, const SlotTable& table) {
  const int64_t most = table.prefix_tiles.size(1);
  int64_t tile = -1;
  for (int prefix = 0; prefix < static_cast<int>(std::ssize(spec.prefixes)); ++prefix) {
    int64_t filled = most;
    for (int64_t slot = 0; slot < std::ssize(spec.slots); ++slot) {
      const SceneSlot& of = spec.slots[static_cast<size_t>(slot)];
      if (of.prefix != prefix || of.length == 0) continue;
      if (filled == most) {
        ++tile;
        filled = 0;
      }
      table.prefix_tiles[tile][filled++] = slot;
    }
  }
}

at::Tensor query_row(const SceneSpec& spec, uint64_t seed) {
  const HeadShape& s = spec.shape;
  return random_tensor({(s.heads + 2 * s.kv_heads) * s.head_dim}, 3 * seed + 2).to(spec.dtype);
}

}  // namespace

Scene make_scene(const SceneSpec& spec) {
  const HeadShape& s = spec.shape;
  const int64_t B = std::ssize(spec.slots);
  int64_t pages = 2;
  for (const int64_t length : spec.prefixes) pages += pages_of(length);
  for (const SceneSlot& slot : spec.slots) pages += pages_of(slot.length);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Scene scene = {
      .spec = spec, .slots = empty_table(spec, at::kCPU), .kv = {}, .qkv = {}, .part = {}};
  scene.kv.pages = at::full({pages, 2, s.kv_heads, 2, kPageTokens, s.head_dim}, nan, spec.dtype);
  scene.qkv = at::empty({B, (s.heads + 2 * s.kv_heads) * s.head_dim}, spec.dtype);
  scene.part = {at::full({B, s.heads, s.head_dim}, nan), at::full({B, s.heads, 2}, nan)};
  Pages writer(scene.kv);
  const SlotTable& table = scene.slots;
  std::vector<at::Tensor> prefix_pages;
  for (int i = 0; i < static_cast<int>(std::ssize(spec.prefixes)); ++i) {
    prefix_pages.push_back(at::zeros_like(table.prefix_pages[0]));
    writer.write(prefix_text(spec, i), prefix_pages.back());
  }
  for (int64_t b = 0; b < B; ++b) {
    const SceneSlot& slot = spec.slots[static_cast<size_t>(b)];
    scene.qkv[b].copy_(query_row(spec, slot.seed));
    table.length[b] = slot.length;
    writer.write(random_text(spec, slot.length, slot.seed), table.suffix_pages[b]);
    if (slot.prefix < 0) continue;
    const auto prefix = static_cast<size_t>(slot.prefix);
    table.prefix_length[b] = spec.prefixes[prefix];
    table.prefix_pages[b].copy_(prefix_pages[prefix]);
  }
  fill_tiles(spec, table);
  return scene.on(step_device());
}

Scene Scene::on(at::Device device) const {
  Scene copy = {.spec = spec,
                .slots = empty_table(spec, device),
                .kv = {kv.pages.to(device)},
                .qkv = qkv.to(device),
                .part = {part.sums.to(device), part.states.to(device)}};
  copy.slots.memory.copy_(slots.memory);
  return copy;
}

at::Tensor attend(const Scene& s) {
  const HeadShape& shape = s.spec.shape;
  const at::Tensor out = at::empty({s.qkv.size(0), shape.heads * shape.head_dim}, s.qkv.options());
  attend_prefixes(s.rows(), s.slots, s.part);
  attend_suffixes(s.rows(), s.slots, s.part, out);
  return out;
}

at::Tensor attend_by_pytorch(const Scene& scene) {
  const HeadShape& s = scene.spec.shape;
  const int64_t group = s.heads / s.kv_heads;
  at::Tensor out = at::zeros({scene.qkv.size(0), s.heads * s.head_dim}, at::kDouble);
  for (int64_t b = 0; b < out.size(0); ++b) {
    const SceneSlot& slot = scene.spec.slots[static_cast<size_t>(b)];
    if (slot.length == 0) continue;
    const KeysAndValues prefix = prefix_text(scene.spec, slot.prefix);
    const KeysAndValues suffix = random_text(scene.spec, slot.length, slot.seed);
    const auto heads_first = [&](const at::Tensor& first, const at::Tensor& then) {  // (1, H, S, D)
      const at::Tensor all = at::cat({first, then}).transpose(0, 1).to(at::kDouble);
      return all.repeat_interleave(group, 0).unsqueeze(0);
    };
    const at::Tensor query = scene.qkv[b]
                                 .narrow(0, 0, s.heads * s.head_dim)
                                 .to(at::kCPU, at::kDouble)
                                 .view({1, s.heads, 1, s.head_dim});
    out[b].copy_(at::scaled_dot_product_attention(query,
                                                  heads_first(prefix.keys, suffix.keys),
                                                  heads_first(prefix.values, suffix.values))
                     .flatten());
  }
  return out;
}

double tolerance(at::ScalarType dtype) {
  if (dtype == at::kFloat) return 1e-5;
  return dtype == at::kBFloat16 ? 1e-2 : 0;
}

bool is_close(const at::Tensor& found, const at::Tensor& expected) {
  const double most = tolerance(found.scalar_type());
  return at::allclose(found.cpu().to(at::kDouble), expected.cpu().to(at::kDouble), most, most);
}

}  // namespace thoughtrank
