#include <ATen/ops/empty.h>

#include <bit>
#include <set>

#include "model/foreign_weights.h"
#include "model/readable_file.h"
#include "model/safetensors_format.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/file_kind.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/core/missing.h"
#include "thoughtrank/model/safetensors.h"

namespace thoughtrank {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

namespace {

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr uint64_t kMaxIndexBytes = 16'000'000;

// Error(kBadData) where the file is something else that is known.
void refuse_foreign(const ReadableFile& file, const fs::path& path) {
  std::string first_bytes(std::min<uint64_t>(file.size(), kKindBytes), '\0');
  file.read_at(0, first_bytes.data(), first_bytes.size());
  refuse_foreign_weights(path, first_bytes);
}

SafetensorsHeader read_header(const fs::path& path) {
  const ReadableFile file(path);
  refuse_foreign(file, path);
  if (file.size() < kHeaderLengthBytes) {
    fail(ExitCode::kBadData,
         "{}: has {} bytes, a safetensors file has 8 at least",
         path.string(),
         file.size());
  }
  uint64_t length = 0;
  file.read_at(0, &length, sizeof length);
  if (length > kMaxHeaderBytes || length > file.size() - kHeaderLengthBytes) {
    fail(ExitCode::kBadData,
         "{}: says its header has {} bytes, but the file has {} (and 100 MB is the format's limit)."
         " Is this a safetensors file?",
         path.string(),
         length,
         file.size());
  }
  std::string json(length, '\0');
  file.read_at(kHeaderLengthBytes, json.data(), length);
  return parse_safetensors_header(json, file.size() - kHeaderLengthBytes - length, path);
}

bool is_plain_file_name(const std::string& name) {
  return name.ends_with(".safetensors") &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

// weight_map of the index: tensor name -> file name.
std::map<std::string, std::string> read_weight_map(const fs::path& index) {
  const Json document = parse_json(read_text_file(index, kMaxIndexBytes), index.string());
  const Json& weight_map = require(document, "weight_map", index.string());
  if (!weight_map.is_object() || weight_map.empty()) {
    fail(ExitCode::kBadData,
         "{}: 'weight_map' must be an object of tensor name and file name",
         index.string());
  }
  std::map<std::string, std::string> result;
  for (const auto& [tensor, file] : weight_map.items()) {
    if (!file.is_string() || !is_plain_file_name(file.get<std::string>())) {
      fail(ExitCode::kBadData,
           "{}: weight_map '{}' is {}, expected the name of a .safetensors file in the same folder",
           index.string(),
           tensor,
           dump_json(file));
    }
    result.emplace(tensor, file.get<std::string>());
  }
  return result;
}

}  // namespace

SafetensorsReader SafetensorsReader::open_file(const std::filesystem::path& file) {
  SafetensorsHeader header = read_header(file);
  SafetensorsReader reader;
  reader.metadata_ = std::move(header.metadata);
  for (TensorInfo& tensor : header.tensors) {
    std::string name = tensor.name;
    reader.tensors_.emplace(std::move(name), std::move(tensor));
  }
  return reader;
}

SafetensorsReader SafetensorsReader::open_model(const std::filesystem::path& folder) {
  require_model_folder(folder);
  if (is_there(folder / kSingleFile)) return open_file(folder / kSingleFile);
  if (!is_there(folder / kIndexFile)) fail_without_safetensors(folder);
  const fs::path index = folder / kIndexFile;
  const auto weight_map = read_weight_map(index);
  std::set<std::string> shard_names;
  for (const auto& [tensor, file] : weight_map) shard_names.insert(file);

  SafetensorsReader model;
  for (const std::string& shard_name : shard_names) {
    SafetensorsReader shard = open_file(folder / shard_name);
    for (auto& [name, tensor] : shard.tensors_) {
      const auto mapped = weight_map.find(name);
      if (mapped == weight_map.end() || mapped->second != shard_name) {
        fail(ExitCode::kBadData,
             "{}: holds '{}', which {} {}",
             (folder / shard_name).string(),
             name,
             kIndexFile,
             mapped == weight_map.end() ? "does not list" : "places in " + mapped->second);
      }
    }
    model.tensors_.merge(shard.tensors_);
    model.metadata_.merge(shard.metadata_);
  }
  for (const auto& [name, file] : weight_map) {
    if (!model.tensors_.contains(name)) {
      fail(ExitCode::kBadData, "{}: '{}' is not in {}", index.string(), name, file);
    }
  }
  return model;
}

at::Tensor SafetensorsReader::read(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    fail(ExitCode::kBadData,
         "tensor '{}' is not in {}",
         name,
         tensors_.empty() ? "the file, which holds none" : tensors_.begin()->second.file.string());
  }
  const TensorInfo& info = found->second;
  const ReadableFile file(info.file);
  at::Tensor tensor = at::empty(info.shape, at::TensorOptions(info.dtype));
  file.read_at(info.offset, tensor.mutable_data_ptr(), info.bytes);
  return tensor;
}

std::vector<std::filesystem::path> SafetensorsReader::files() const {
  std::set<fs::path> files;
  for (const auto& [name, tensor] : tensors_) files.insert(tensor.file);
  return {files.begin(), files.end()};
}

}  // namespace thoughtrank
