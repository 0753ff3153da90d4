#include "thoughtrank/kernels/kv_pages.h"

#include <c10/core/ScalarType.h>

#include <new>
#include <utility>

#include "kernels/vector/vector_kernels.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

// D rounded up to whole panels of value columns.
int64_t padded_head_dim(const KvShape& shape) {
  return (shape.head_dim + kPanel - 1) / kPanel * kPanel;
}

int64_t page_elements(const KvShape& shape) {  // of one layer and head
  return kPageTokens * (shape.head_dim + padded_head_dim(shape));
}

}  // namespace

KvPool::KvPool(KvShape shape)
    : shape_(shape),
      head_bytes_(page_elements(shape) * static_cast<int64_t>(c10::elementSize(shape.dtype))) {
  if (shape_.head_dim % 2 != 0 || (shape_.dtype != at::kFloat && shape_.dtype != at::kBFloat16)) {
    fail(ExitCode::kConfig,
         "the KV cache needs an even head size and float32 or bfloat16, found {} and {}",
         shape_.head_dim,
         at::toString(shape_.dtype));
  }
}

bool KvPool::reserve(int64_t pages) {
  while (std::ssize(free_) < pages) {
    if (std::ssize(pages_) >= most_pages_) return false;
    try {
      add_page();
    } catch (const std::bad_alloc&) {
      most_pages_ = std::ssize(pages_);
      return false;
    }
  }
  return true;
}

// All or nothing: what is pushed has its room before.
void KvPool::add_page() {
  const size_t count = pages_.size() + 1;
  pages_.reserve(count);
  first_bytes_.reserve(count);
  owners_.reserve(count);
  free_.reserve(count);
  at::Tensor page =
      memory_.take({shape_.layers, shape_.kv_heads, page_elements(shape_)}, shape_.dtype);
  first_bytes_.push_back(static_cast<char*>(page.mutable_data_ptr()));
  owners_.push_back(0);
  free_.push_back(std::ssize(pages_));
  pages_.push_back(std::move(page));
}

int64_t KvPool::take() {
  if (!reserve(1)) {
    fail(
        ExitCode::kInternal,
        "no memory is left for keys and values: {:.1f} MiB are in use. Free memory, or shorten the "
        "texts.",
        static_cast<double>(pages_in_use() * page_bytes()) / (1 << 20));
  }
  const int64_t page = free_.back();
  free_.pop_back();
  owners_[static_cast<size_t>(page)] = 1;
  return page;
}

void KvPool::give_back(int64_t page) {
  if (--owners_[static_cast<size_t>(page)] == 0) free_.push_back(page);
}

int64_t KvPool::page_bytes() const { return shape_.layers * shape_.kv_heads * head_bytes_; }

void* KvPool::keys(int64_t page, int64_t layer, int64_t head) const {
  return first_bytes_[static_cast<size_t>(page)] + (layer * shape_.kv_heads + head) * head_bytes_;
}

int64_t KvPool::values_offset() const { return kPageTokens * shape_.head_dim; }

int64_t KvPool::pages_in_use() const { return static_cast<int64_t>(pages_.size() - free_.size()); }

KvSequence::KvSequence(KvSequence&& other) noexcept
    : pool_(other.pool_),
      first_place_(other.first_place_),
      length_(std::exchange(other.length_, 0)),
      pages_(std::exchange(other.pages_, {})) {}

KvSequence& KvSequence::operator=(KvSequence&& other) noexcept {
  if (this != &other) {
    clear();
    pool_ = other.pool_;
    first_place_ = other.first_place_;
    length_ = std::exchange(other.length_, 0);
    pages_ = std::exchange(other.pages_, {});
  }
  return *this;
}

int64_t KvSequence::pages_for(int64_t tokens) const {
  if (tokens == 0) return 0;
  const int64_t places = first_place_ + length_ + tokens;
  return (places + kPageTokens - 1) / kPageTokens - std::ssize(pages_);
}

void KvSequence::share(const KvSequence& other, int64_t tokens) {
  if (length_ > 0 || first_place_ != 0 || other.first_place_ != 0 || tokens > other.length_ ||
      tokens % kPageTokens != 0) {
    fail(ExitCode::kInternal,
         "{} tokens of a sequence of {} cannot be shared: whole pages only, from the beginning of "
         "both",
         tokens,
         other.length_);
  }
  pages_.assign(other.pages_.begin(), other.pages_.begin() + tokens / kPageTokens);
  for (const int64_t page : pages_) pool_->share(page);
  length_ = tokens;
}

void KvSequence::extend(int64_t tokens) {
  for (int64_t left = pages_for(tokens); left > 0; --left) pages_.push_back(pool_->take());
  length_ += tokens;
}

void KvSequence::clear() {
  for (const int64_t page : pages_) pool_->give_back(page);
  pages_.clear();
  length_ = 0;
}

int64_t KvSequence::page(int64_t place) const {
  return pages_[static_cast<size_t>(place / kPageTokens)];
}

}  // namespace thoughtrank
