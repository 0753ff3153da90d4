#include <algorithm>
#include <set>

#include "model/safetensors_format.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/model/safetensors.h"

namespace thoughtrank {

namespace {

constexpr uint64_t kAlignment = 8;

// As the format's reference writer orders them: widest dtype first, then by name. The same tensors
// give the same bytes in whatever order they come.
std::vector<const NamedTensors::value_type*> in_file_order(const NamedTensors& tensors) {
  std::vector<const NamedTensors::value_type*> ordered;
  for (const auto& tensor : tensors) ordered.push_back(&tensor);
  std::sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) {
    const TensorType* type_a = &tensor_type_of(a->second.scalar_type());
    const TensorType* type_b = &tensor_type_of(b->second.scalar_type());
    return std::tie(type_a, a->first) < std::tie(type_b, b->first);
  });
  return ordered;
}

std::string header_of(const std::vector<const NamedTensors::value_type*>& ordered,
                      const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::string> all_metadata = metadata;
  all_metadata.emplace("format", "pt");
  Json header;
  header["__metadata__"] = all_metadata;
  uint64_t begin = 0;
  for (const auto* named : ordered) {
    const auto& [name, tensor] = *named;
    if (header.contains(name)) {
      fail(ExitCode::kInternal, "safetensors: two tensors are named '{}'", name);
    }
    const uint64_t end = begin + static_cast<uint64_t>(tensor.nbytes());
    header[name] = {{"dtype", tensor_type_of(tensor.scalar_type()).name},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = dump_json(header);
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

std::string_view as_bytes(const void* data, uint64_t bytes) {
  return {static_cast<const char*>(data), bytes};
}

// Greedy, in the given order: a shard is closed when the next tensor would not fit.
std::vector<NamedTensors> split_into_shards(const NamedTensors& tensors, uint64_t shard_bytes) {
  std::vector<NamedTensors> shards(1);
  uint64_t bytes = 0;
  for (const auto& named : tensors) {
    const auto size = static_cast<uint64_t>(named.second.nbytes());
    if (!shards.back().empty() && bytes + size > shard_bytes) {
      shards.emplace_back();
      bytes = 0;
    }
    shards.back().push_back(named);
    bytes += size;
  }
  return shards;
}

ManifestEntry write_index(const fs::path& file,
                          const std::map<std::string, std::string>& weight_map,
                          uint64_t total_bytes) {
  const Json index = {{"metadata", {{"total_size", total_bytes}}}, {"weight_map", weight_map}};
  FileWriter writer(file);
  writer.write(index.dump(/*indent=*/2) + "\n");
  writer.close();
  return {.path = file.filename().string(), .bytes = writer.bytes(), .sha256 = writer.sha256()};
}

}  // namespace

ManifestEntry write_safetensors(const std::filesystem::path& file,
                                const NamedTensors& tensors,
                                const std::map<std::string, std::string>& metadata) {
  const auto ordered = in_file_order(tensors);
  const std::string header = header_of(ordered, metadata);
  const uint64_t header_bytes = header.size();
  FileWriter writer(file);
  writer.write(as_bytes(&header_bytes, sizeof header_bytes));
  writer.write(header);
  for (const auto* named : ordered) {
    // One tensor at a time; no copy where it already lies on the CPU in order.
    const at::Tensor tensor = named->second.detach().cpu().contiguous();
    writer.write(as_bytes(tensor.const_data_ptr(), static_cast<uint64_t>(tensor.nbytes())));
  }
  writer.close();
  return {.path = file.filename().string(), .bytes = writer.bytes(), .sha256 = writer.sha256()};
}

std::vector<ManifestEntry> write_model(const std::filesystem::path& folder,
                                       const NamedTensors& tensors,
                                       uint64_t shard_bytes) {
  const std::vector<NamedTensors> shards = split_into_shards(tensors, shard_bytes);
  if (shards.size() == 1) return {write_safetensors(folder / "model.safetensors", tensors)};

  std::vector<ManifestEntry> entries;
  std::map<std::string, std::string> weight_map;
  uint64_t total_bytes = 0;
  for (size_t n = 0; n < shards.size(); ++n) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", n + 1, shards.size());
    entries.push_back(write_safetensors(folder / name, shards[n]));
    for (const auto& [tensor_name, tensor] : shards[n]) {
      weight_map[tensor_name] = name;
      total_bytes += static_cast<uint64_t>(tensor.nbytes());
    }
  }
  entries.push_back(write_index(folder / "model.safetensors.index.json", weight_map, total_bytes));
  return entries;
}

}  // namespace thoughtrank
