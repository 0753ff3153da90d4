// Keys and values of token sequences, in pages of 64 tokens for all layers. A pool owns the memory
// and reuses it; a sequence has pages of one pool and gives them back when it goes; sequences that
// begin alike may have their first pages in common. Inside a page
// keys and values lie as packed panels (see packed_linear.h), so that attention runs on the same
// micro-kernels: scores = q · keys and out = weights · values.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "thoughtrank/kernels/huge_page_arena.h"

namespace thoughtrank {

inline constexpr int64_t kPageTokens = 64;  // tokens that one page holds

struct KvShape {
  int64_t layers = 0;                 // L, layers of the model
  int64_t kv_heads = 0;               // K, key/value heads of a layer
  int64_t head_dim = 0;               // D, elements of a head, even
  at::ScalarType dtype = at::kFloat;  // float32 or bfloat16
};

class KvPool {
 public:
  explicit KvPool(KvShape shape);
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  [[nodiscard]] const KvShape& shape() const { return shape_; }
  // Takes no memory beyond `bytes` from now on. Without a limit the pool meets the system's.
  void limit_to(int64_t bytes) { most_pages_ = bytes / page_bytes(); }
  // Makes `pages` free ones ready for take(). Returns false where the limit or the system does not
  // allow it.
  [[nodiscard]] bool reserve(int64_t pages);
  // Returns the number of a free page. Throws Error(kInternal) where there is none and no memory
  // for another.
  [[nodiscard]] int64_t take();
  // One more sequence has this page, which nobody writes any more.
  void share(int64_t page) { ++owners_[static_cast<size_t>(page)]; }
  // The page is free when all that have it gave it back.
  void give_back(int64_t page);
  // Returns where the keys of one page, layer and head lie; the values follow at values_offset()
  // elements. Keys are (2 panels, D, 32), values (ceil(D / 32) panels, 64, 32), bfloat16 in pairs
  // of D and of tokens.
  [[nodiscard]] void* keys(int64_t page, int64_t layer, int64_t head) const;
  [[nodiscard]] int64_t values_offset() const;
  [[nodiscard]] int64_t pages_in_use() const;
  // Counts the bytes of a page over all layers; its values are padded to whole panels.
  [[nodiscard]] int64_t page_bytes() const;
  [[nodiscard]] int64_t most_pages() const { return most_pages_; }

 private:
  void add_page();

  KvShape shape_;
  int64_t most_pages_ = std::numeric_limits<int64_t>::max();
  HugePageArena memory_;
  std::vector<at::Tensor> pages_;   // each page (L, K, elements)
  std::vector<char*> first_bytes_;  // where each page begins
  int64_t head_bytes_ = 0;          // bytes of one page, layer and head
  std::vector<int64_t> owners_;     // sequences that have each page
  std::vector<int64_t> free_;       // numbers of the pages that no sequence has
};

class KvSequence {
 public:
  // `first_place` is the place of the first token in its page: where the tokens go on after a
  // prefix of n tokens it is n % 64, so that pages are cut at the same tokens of the text as
  // without one.
  explicit KvSequence(KvPool& pool, int64_t first_place = 0)
      : pool_(&pool), first_place_(first_place) {}
  ~KvSequence() { clear(); }
  KvSequence(KvSequence&& other) noexcept;
  KvSequence& operator=(KvSequence&& other) noexcept;

  // Counts the tokens.
  [[nodiscard]] int64_t length() const { return length_; }
  // Counts the pages that extend(tokens) will take.
  [[nodiscard]] int64_t pages_for(int64_t tokens) const;
  // Begins as the first `tokens` of another sequence of the pool, without their being read again:
  // whole pages, which both have then. For a sequence that is empty; both begin at place 0.
  void share(const KvSequence& other, int64_t tokens);
  // Makes room for `tokens` more; their keys and values are written by attention.
  void extend(int64_t tokens);
  void clear();
  [[nodiscard]] int64_t first_place() const { return first_place_; }
  // Returns the number of the page of a place; token t has place first_place() + t.
  [[nodiscard]] int64_t page(int64_t place) const;
  [[nodiscard]] KvPool& pool() const { return *pool_; }

 private:
  KvPool* pool_;
  int64_t first_place_;
  int64_t length_ = 0;
  std::vector<int64_t> pages_;
};

}  // namespace thoughtrank
