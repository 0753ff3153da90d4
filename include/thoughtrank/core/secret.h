// The one type that holds an API key. It cannot be printed, copied into JSON, or compared; reveal()
// is called by the transport only. The memory is overwritten when it goes.
#pragma once

#include <string>

namespace thoughtrank {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value);
  ~Secret();
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  [[nodiscard]] bool is_empty() const { return value_.empty(); }
  [[nodiscard]] const std::string& reveal() const { return value_; }
  // `text` with every occurrence of the secret replaced by "[secret]".
  [[nodiscard]] std::string redact(std::string text) const;

 private:
  std::string value_;
};

// Takes the variable out of the environment (overwrites its memory, unsets it). Empty when it is
// not set.
[[nodiscard]] Secret take_secret_from_environment(const std::string& variable);
// First line of a file that only its owner may read; Error(kConfig) when others may, or it is empty
// or has control characters.
[[nodiscard]] Secret read_secret_file(const std::string& path);

}  // namespace thoughtrank
