// The accounts of a run's calls, in a Journal: `intent` before a call leaves (with its worst cost),
// `result` before its reply is used, `failed` for an attempt that brought none, `void` for a reply
// that is to be asked for again, `batched` for a call written to a batch file, `discarded` for one
// whose batch file was given up (spent as reserved, since it may have been worked on), `reused` for
// a reply that an earlier process paid for. An intent that never got an end (a kill) is charged at
// its reserved cost. Same request hash: the reply is already here.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "thoughtrank/core/journal.h"
#include "thoughtrank/data/ledger_accounts.h"

namespace thoughtrank {

struct PaidReply {
  std::string body;
  double usd = 0;
  int64_t attempts = 1;
  bool is_too_long = false;  // the body says that the request does not fit into the context
};

// What is known of a request without a reply.
struct FailedAttempts {
  int64_t attempts = 0;
  double usd = 0;
  std::string reason;     // why the last one failed
  bool is_final = false;  // the server will never answer it
};

// A request in a batch file. It may stand in several, one after the other, and each time is a call
// of its own, which is paid for and has a result of its own.
struct BatchedCall {
  std::string request;
  int64_t number = 0;  // how often it had been exported before
  double reserved_usd = 0;
  enum class State : uint8_t { out, discarded, ended } state = State::out;
};

// An attempt that brought no reply.
struct Loss {
  double usd = 0;
  std::string reason = {};
  bool is_final = false;  // the server will never answer the request
  bool is_wait = false;   // the server was not there yet: not an attempt of the request
  const BatchedCall* of_batch = nullptr;
};

class Ledger {
 public:
  // Reads what is there; the file is created with the first record.
  explicit Ledger(std::filesystem::path path);

  [[nodiscard]] const PaidReply* find(const std::string& request) const;
  [[nodiscard]] const FailedAttempts* find_failure(const std::string& request) const;
  // Notes that a reply of an earlier process is used instead of a call; each counts once.
  void reuse(const std::string& request);
  void intend(const std::string& request, double reserved_usd);
  // `of_batch`: the call in a batch file whose result it is.
  void settle(const std::string& request, PaidReply reply, const BatchedCall* of_batch = nullptr);
  void lose(const std::string& request, const Loss& loss);
  // Allows a request to be asked again whose reply was of no use, or that will get none. What was
  // paid stays paid.
  void forget(const std::string& request);
  // Returns the name by which the request stands, or would stand, in a batch file: the file's
  // custom_id, at most 64 characters of [a-f0-9-], another one each time it is exported.
  [[nodiscard]] std::string export_id(const std::string& request) const;
  // Notes that the request goes into a batch file: it stays reserved until its result is imported.
  void export_call(const std::string& request, double reserved_usd);
  [[nodiscard]] bool is_exported(const std::string& request) const {
    return out_.contains(request);
  }
  // Returns the call of that name; null where this ledger exported none.
  [[nodiscard]] const BatchedCall* find_exported(const std::string& export_id) const;
  [[nodiscard]] int64_t exported() const { return std::ssize(out_); }
  // Gives the batch files up and returns how many calls that frees: they count as spent as they
  // were reserved, and may be made again.
  int64_t discard_exported();

  // Small facts found once and remembered (a server's dialect, computed scores), by name.
  [[nodiscard]] const Json* note(const std::string& name) const;
  void remember(const std::string& name, const Json& value);

  [[nodiscard]] double spent_usd() const { return accounts_.spent_usd(); }
  [[nodiscard]] double reserved_usd() const { return accounts_.reserved_usd(); }
  [[nodiscard]] double saved_usd() const { return accounts_.saved_usd(); }

 private:
  void take(const Json& record);
  void take_result(const std::string& request, const Json& record);
  void take_failure(const std::string& request, const Json& record);
  void take_export(const std::string& request, const Json& record);
  void end_export(const std::string& request, const Json& record, BatchedCall::State state);
  void append(const Json& record);

  std::filesystem::path path_;
  std::unique_ptr<Journal> journal_;
  LedgerAccounts accounts_;
  std::unordered_map<std::string, PaidReply> replies_;
  std::unordered_map<std::string, FailedAttempts> failures_;
  std::set<std::string> paid_before_;           // requests paid by an earlier process, not used yet
  std::map<std::string, BatchedCall> exports_;  // by name
  std::map<std::string, int64_t> export_count_;
  std::map<std::string, std::string> out_;  // request -> name, of calls that wait for their result
  std::map<std::string, Json> notes_;
};

}  // namespace thoughtrank
