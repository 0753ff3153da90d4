#include "model/safetensors_format.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

namespace {

// Highest first: the order in which the format's reference writer lays tensors out, so that each
// one is aligned.
constexpr std::array<TensorType, 6> kTensorTypes = {{
    {"I64", at::kLong, 8},
    {"F32", at::kFloat, 4},
    {"I32", at::kInt, 4},
    {"BF16", at::kBFloat16, 2},
    {"F16", at::kHalf, 2},
    {"U8", at::kByte, 1},
}};

constexpr uint64_t kMaxDimensions = 8;

// What the JSON says about one tensor, before its sizes are checked.
struct TensorEntry {
  std::optional<std::string> dtype;
  std::optional<std::vector<uint64_t>> shape, data_offsets;
};

// Follows nlohmann's parser event by event: only the one grammar of the format passes, so neither
// depth nor number of values can cost memory.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::map<std::string, TensorEntry> entries;
  std::map<std::string, std::string> metadata;
  std::string problem;  // the first one

  bool start_object(std::size_t) override {
    if (depth_ == 2) return refuse("an object");
    ++depth_;
    return true;
  }
  bool key(std::string& name) override { return depth_ == 1 ? top_key(name) : inner_key(name); }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool string(std::string& text) override {
    if (depth_ != 2) return refuse("text");
    if (is_metadata()) return metadata[inner_key_] = text, true;
    if (inner_key_ != "dtype") return refuse("text");
    return entry_->dtype = text, true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || numbers_ != nullptr || is_metadata() || inner_key_ == "dtype") {
      return refuse("a list");
    }
    auto& list = inner_key_ == "shape" ? entry_->shape : entry_->data_offsets;
    numbers_ = &list.emplace();
    return true;
  }
  bool end_array() override {
    numbers_ = nullptr;
    return true;
  }
  bool number_unsigned(uint64_t value) override {
    if (numbers_ == nullptr) return refuse("a number");
    if (numbers_->size() == kMaxDimensions) return refuse("a list of more than 8 numbers");
    return numbers_->push_back(value), true;
  }
  bool number_integer(int64_t value) override { return refuse(std::to_string(value)); }
  bool number_float(double, const std::string& text) override { return refuse(text); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool null() override { return refuse("null"); }
  bool binary(binary_t&) override { return refuse("bytes"); }
  bool parse_error(std::size_t position,
                   const std::string&,
                   const nlohmann::json::exception&) override {
    problem = fmt::format("the header is not JSON (at its byte {})", position);
    return false;
  }

 private:
  int depth_ = 0;
  std::string top_key_, inner_key_;
  TensorEntry* entry_ = nullptr;
  std::vector<uint64_t>* numbers_ = nullptr;

  [[nodiscard]] bool is_metadata() const { return top_key_ == "__metadata__"; }

  bool top_key(const std::string& name) {
    top_key_ = name;
    inner_key_.clear();
    if (is_metadata()) {
      if (has_metadata_) return refuse_key("occurs twice");
      has_metadata_ = true;
      return true;
    }
    const auto [entry, is_new] = entries.try_emplace(name);
    entry_ = &entry->second;
    return is_new || refuse_key("occurs twice");
  }
  bool inner_key(const std::string& name) {
    inner_key_ = name;
    if (is_metadata()) return metadata.try_emplace(name).second || refuse_key("occurs twice");
    if (name == "dtype") return !entry_->dtype || refuse_key("occurs twice");
    if (name == "shape") return !entry_->shape || refuse_key("occurs twice");
    if (name == "data_offsets") return !entry_->data_offsets || refuse_key("occurs twice");
    return refuse_key("is unknown (expected dtype, shape, data_offsets)");
  }
  bool refuse(const std::string& what) {
    problem = fmt::format("'{}' has {} where the format has none", path(), what);
    return false;
  }
  bool refuse_key(const std::string& what) {
    problem = fmt::format("'{}' {}", path(), what);
    return false;
  }
  [[nodiscard]] std::string path() const {
    return inner_key_.empty() ? top_key_ : top_key_ + "." + inner_key_;
  }
  bool has_metadata_ = false;
};

// Elements × bytes, or nullopt where 2^63 is exceeded.
std::optional<uint64_t> bytes_of(const std::vector<uint64_t>& shape, uint64_t element_bytes) {
  uint64_t bytes = element_bytes;
  for (const uint64_t size : shape) {
    if (size > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
    if (__builtin_mul_overflow(bytes, size, &bytes)) return std::nullopt;
  }
  if (bytes > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return bytes;
}

// The entry as a TensorInfo with its offset still relative to the data part.
TensorInfo check_entry(const std::string& name,
                       const TensorEntry& entry,
                       const std::filesystem::path& file) {
  const auto refuse = [&](const std::string& what) {
    fail(ExitCode::kBadData, "{}: tensor '{}' {}", file.string(), name, what);
  };
  if (!entry.dtype) refuse("has no dtype");
  if (!entry.shape) refuse("has no shape");
  if (!entry.data_offsets || entry.data_offsets->size() != 2) {
    refuse("needs data_offsets [begin, end]");
  }
  const TensorType* type = find_tensor_type(*entry.dtype);
  if (type == nullptr) {
    refuse(fmt::format("has dtype '{}', expected one of {}", *entry.dtype, tensor_type_names()));
  }
  const auto bytes = bytes_of(*entry.shape, type->bytes);
  if (!bytes) refuse("has a shape of more than 2^63 bytes");
  const auto [begin, end] = std::pair{(*entry.data_offsets)[0], (*entry.data_offsets)[1]};
  if (end < begin || end - begin != *bytes) {
    refuse(fmt::format("has data_offsets [{}, {}], expected {} bytes for its dtype and shape",
                       begin,
                       end,
                       *bytes));
  }
  return {.name = name,
          .dtype = type->dtype,
          .shape = {entry.shape->begin(), entry.shape->end()},
          .offset = begin,
          .bytes = *bytes,
          .file = file};
}

// Without hole or overlap, from the first byte of the data to its last.
void check_layout(const std::vector<TensorInfo>& tensors,
                  uint64_t data_bytes,
                  const std::filesystem::path& file) {
  uint64_t end = 0;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.offset != end) {
      fail(ExitCode::kBadData,
           "{}: tensor '{}' begins at byte {} of the data, expected {} (no hole, no overlap)",
           file.string(),
           tensor.name,
           tensor.offset,
           end);
    }
    end += tensor.bytes;
    if (end > data_bytes) break;
  }
  if (end != data_bytes) {
    fail(ExitCode::kBadData,
         "{}: holds {} bytes of data, its header says {}{}. Was the file cut short or extended?",
         file.string(),
         data_bytes,
         end > data_bytes ? "at least " : "",
         end);
  }
}

}  // namespace

const TensorType* find_tensor_type(std::string_view name) {
  const auto* found = std::find_if(kTensorTypes.begin(),
                                   kTensorTypes.end(),
                                   [&](const TensorType& type) { return type.name == name; });
  return found == kTensorTypes.end() ? nullptr : found;
}

const TensorType& tensor_type_of(at::ScalarType dtype) {
  const auto* found = std::find_if(kTensorTypes.begin(),
                                   kTensorTypes.end(),
                                   [&](const TensorType& type) { return type.dtype == dtype; });
  if (found == kTensorTypes.end()) {
    fail(ExitCode::kInternal,
         "safetensors: cannot write dtype {}, expected one of {}",
         c10::toString(dtype),
         tensor_type_names());
  }
  return *found;
}

std::string tensor_type_names() {
  std::string names;
  for (const TensorType& type : kTensorTypes)
    names += (names.empty() ? "" : ", ") + std::string(type.name);
  return names;
}

SafetensorsHeader parse_safetensors_header(std::string_view json,
                                           uint64_t data_bytes,
                                           const std::filesystem::path& file) {
  HeaderEvents events;
  const bool is_object = !json.empty() && json.front() == '{';
  if (!is_object || !nlohmann::json::sax_parse(json, &events)) {
    fail(ExitCode::kBadData,
         "{}: {}",
         file.string(),
         is_object ? events.problem : "the header does not begin with '{'");
  }
  SafetensorsHeader header;
  header.metadata = std::move(events.metadata);
  for (const auto& [name, entry] : events.entries) {
    header.tensors.push_back(check_entry(name, entry, file));
  }
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
    return std::pair{a.offset, a.bytes} < std::pair{b.offset, b.bytes};
  });
  check_layout(header.tensors, data_bytes, file);
  const uint64_t data_begin = kHeaderLengthBytes + json.size();
  for (TensorInfo& tensor : header.tensors) tensor.offset += data_begin;
  return header;
}

}  // namespace thoughtrank
