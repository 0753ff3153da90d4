// SHA-256 (OpenSSL EVP) of bytes, files and streams, as 64 lower-case hex digits; CRC-32C for
// journal lines.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace thoughtrank {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::string_view bytes);
  [[nodiscard]] std::string hex_digest();  // ends the stream

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

[[nodiscard]] std::string sha256(std::string_view bytes);
// Error(kMissingInput) when the file is not there, Error(kIo) when it cannot be read.
[[nodiscard]] std::string sha256_file(const std::filesystem::path& path);
[[nodiscard]] uint32_t crc32c(std::string_view bytes);

}  // namespace thoughtrank
