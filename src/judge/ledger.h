// The judge's books, in a Journal: `intent` before a call leaves (with its worst cost), `result`
// before its reply is used, `failed` for an attempt that brought none, `void` for a reply that is
// to be asked for again. An intent that never got either (a kill) is charged at its reserved cost.
// Same request hash: the reply is already here.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "thoughtrank/core/journal.h"

namespace thoughtrank {

struct PaidReply {
  std::string body;
  double usd = 0;
  int64_t attempts = 1;
};

class Ledger {
 public:
  // Reads what is there; the file is created with the first record.
  explicit Ledger(std::filesystem::path path);

  [[nodiscard]] const PaidReply* find(const std::string& request) const;
  void intend(const std::string& request, double reserved_usd);
  void settle(const std::string& request, PaidReply reply);
  void lose(const std::string& request, double usd, const std::string& reason);
  // The reply was of no use: it stays paid, and the request may be asked again.
  void forget(const std::string& request);

  // Small facts found once and remembered (a server's dialect, computed scores), by name.
  [[nodiscard]] const Json* note(const std::string& name) const;
  void remember(const std::string& name, const Json& value);

  [[nodiscard]] double spent_usd() const { return spent_; }
  [[nodiscard]] double reserved_usd() const;

 private:
  void replay(const Json& body);
  void close_intent(const std::string& request, double usd);
  void append(const Json& body);

  std::filesystem::path path_;
  std::unique_ptr<Journal> journal_;
  std::unordered_map<std::string, PaidReply> replies_;
  std::map<std::string, Json> notes_;
  std::map<std::string, double> open_;  // request -> reserved
  double spent_ = 0;
};

}  // namespace thoughtrank
