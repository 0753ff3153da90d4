// The safetensors format (https://github.com/huggingface/safetensors, "Format"), read with every
// check of it: header length, JSON, duplicate keys, offsets without hole or overlap up to the end
// of the file, sizes that match dtype and shape. Files are read with pread, never mapped.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "thoughtrank/core/files.h"

namespace thoughtrank {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

struct TensorInfo {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  uint64_t offset = 0;  // in the file
  uint64_t bytes = 0;
  std::filesystem::path file;
};

class SafetensorsReader {
 public:
  // Opens one file.
  static SafetensorsReader open_file(const std::filesystem::path& file);
  // Opens model.safetensors, or model.safetensors.index.json and its shards.
  static SafetensorsReader open_model(const std::filesystem::path& folder);
  [[nodiscard]] const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  // Reads a tensor as stored, on the CPU. Error(kBadData) naming it when it is not there.
  [[nodiscard]] at::Tensor read(const std::string& name) const;
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
  [[nodiscard]] std::vector<std::filesystem::path> files() const;

 private:
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

// Writes one durable file with __metadata__ {"format":"pt", …metadata}; returns its manifest entry
// (path = file name).
ManifestEntry write_safetensors(const std::filesystem::path& file,
                                const NamedTensors& tensors,
                                const std::map<std::string, std::string>& metadata = {});

// Writes model.safetensors, or shards of at most `shard_bytes` and model.safetensors.index.json, as
// transformers does.
std::vector<ManifestEntry> write_model(const std::filesystem::path& folder,
                                       const NamedTensors& tensors,
                                       uint64_t shard_bytes = 5'000'000'000);

}  // namespace thoughtrank
