#include "thoughtrank/llm/ledger.h"

#include <random>
#include <utility>

namespace thoughtrank {
namespace {

// Tells this process's records from those of others; nothing else depends on it.
const std::string& process_mark() {
  static const std::string kMark = [] {
    std::random_device device;
    return fmt::format("{:08x}{:08x}", device(), device());
  }();
  return kMark;
}

// The first is the request's hash, as in files of earlier versions.
std::string export_id_of(const std::string& request, int64_t number) {
  constexpr size_t kHashPart = 56;  // providers take 64 characters
  return number == 0 ? request : fmt::format("{}-{}", request.substr(0, kHashPart), number);
}

}  // namespace

Ledger::Ledger(std::filesystem::path path) : path_(std::move(path)) {
  if (!std::filesystem::exists(path_)) return;
  journal_ = std::make_unique<Journal>(path_, [this](const Json& record) { take(record); });
  accounts_.charge_open();
}

void Ledger::take(const Json& record) {
  const std::string where = path_.string();
  accounts_.take(record, where);
  const std::string type = require_string(record, "type", where);
  if (type == "forked") return;
  if (type == "note") {
    notes_[require_string(record, "name", where)] = require(record, "value", where);
    return;
  }
  const std::string request = require_string(record, "request", where);
  if (type == "failed") {
    take_failure(request, record);
  } else if (type == "result") {
    take_result(request, record);
  } else if (type == "void") {
    replies_.erase(request);
    failures_.erase(request);
  } else if (type == "batched") {
    take_export(request, record);
  } else if (type == "discarded") {
    end_export(request, record, BatchedCall::State::discarded);
  } else if (type == "reused") {
    paid_before_.erase(request);
  }
}

void Ledger::take_result(const std::string& request, const Json& record) {
  const std::string where = path_.string();
  end_export(request, record, BatchedCall::State::ended);
  // A second answer, of a batch that was given up: the first one may stand behind verdicts.
  if (record.contains("number") && replies_.contains(request)) return;
  replies_[request] = {.body = require_string(record, "reply", where),
                       .usd = require_number(record, "usd", where),
                       .attempts = require_int(record, "attempts", 1, 1000, where),
                       .is_too_long = record.value("too_long", false)};
  failures_.erase(request);
  if (record.value("process", "") != process_mark()) paid_before_.insert(request);
}

void Ledger::take_failure(const std::string& request, const Json& record) {
  const std::string where = path_.string();
  const bool was_out = out_.contains(request);
  end_export(request, record, BatchedCall::State::ended);
  // What failed in a batch that was given up says nothing of the one that is out now.
  if (was_out && out_.contains(request)) return;
  if (record.value("waited", false)) return;  // nobody was there to be asked
  FailedAttempts& failure = failures_[request];
  ++failure.attempts;
  failure.usd += require_number(record, "usd", where);
  failure.reason = require_string(record, "reason", where);
  failure.is_final = record.value("final", false);
}

void Ledger::take_export(const std::string& request, const Json& record) {
  const int64_t number = record.value("number", int64_t{0});
  const std::string id = export_id_of(request, number);
  exports_[id] = {.request = request,
                  .number = number,
                  .reserved_usd = require_number(record, "reserved_usd", path_.string())};
  export_count_[request] = number + 1;
  out_[request] = id;
}

// Ends the call of the record's number. A record without one, of a direct call or of an earlier
// version, ends the first only while that is out.
void Ledger::end_export(const std::string& request, const Json& record, BatchedCall::State state) {
  const auto found = exports_.find(export_id_of(request, record.value("number", int64_t{0})));
  if (found == exports_.end()) return;
  const auto out = out_.find(request);
  const bool is_out = out != out_.end() && out->second == found->first;
  if (!is_out && !record.contains("number")) return;
  found->second.state = state;
  if (is_out) out_.erase(out);
}

// Every record goes the same way whether it is written or read.
void Ledger::append(const Json& record) {
  if (!journal_) {
    journal_ = std::make_unique<Journal>(path_, [](const Json& /*record*/) {});
  }
  journal_->append(record);
  take(record);
}

const PaidReply* Ledger::find(const std::string& request) const {
  const auto found = replies_.find(request);
  return found == replies_.end() ? nullptr : &found->second;
}

const FailedAttempts* Ledger::find_failure(const std::string& request) const {
  const auto found = failures_.find(request);
  return found == failures_.end() ? nullptr : &found->second;
}

void Ledger::reuse(const std::string& request) {
  const PaidReply* reply = find(request);
  if (reply == nullptr || reply->usd == 0 || !paid_before_.contains(request)) return;
  append({{"type", "reused"}, {"request", request}, {"usd", reply->usd}});
}

void Ledger::intend(const std::string& request, double reserved_usd) {
  append({{"type", "intent"}, {"request", request}, {"reserved_usd", reserved_usd}});
}

void Ledger::settle(const std::string& request, PaidReply reply, const BatchedCall* of_batch) {
  Json record = {{"type", "result"},
                 {"request", request},
                 {"usd", reply.usd},
                 {"attempts", reply.attempts},
                 {"process", process_mark()},
                 {"reply", std::move(reply.body)}};
  if (reply.is_too_long) record["too_long"] = true;
  if (of_batch != nullptr) record["number"] = of_batch->number;
  append(record);
}

void Ledger::lose(const std::string& request, const Loss& loss) {
  Json record = {
      {"type", "failed"}, {"request", request}, {"usd", loss.usd}, {"reason", loss.reason}};
  if (loss.is_final) record["final"] = true;
  if (loss.is_wait) record["waited"] = true;
  if (loss.of_batch != nullptr) record["number"] = loss.of_batch->number;
  append(record);
}

void Ledger::forget(const std::string& request) {
  if (find(request) == nullptr && find_failure(request) == nullptr) return;
  append({{"type", "void"}, {"request", request}});
}

std::string Ledger::export_id(const std::string& request) const {
  if (const auto out = out_.find(request); out != out_.end()) return out->second;
  const auto count = export_count_.find(request);
  return export_id_of(request, count == export_count_.end() ? 0 : count->second);
}

void Ledger::export_call(const std::string& request, double reserved_usd) {
  Json record = {{"type", "batched"}, {"request", request}, {"reserved_usd", reserved_usd}};
  if (const auto count = export_count_.find(request); count != export_count_.end()) {
    record["number"] = count->second;
  }
  append(record);
}

const BatchedCall* Ledger::find_exported(const std::string& export_id) const {
  const auto found = exports_.find(export_id);
  return found == exports_.end() ? nullptr : &found->second;
}

int64_t Ledger::discard_exported() {
  const std::map<std::string, std::string> out = out_;
  for (const auto& [request, id] : out) {
    const BatchedCall& call = exports_.at(id);
    Json record = {{"type", "discarded"}, {"request", request}, {"usd", call.reserved_usd}};
    if (call.number > 0) record["number"] = call.number;
    append(record);
  }
  return std::ssize(out);
}

const Json* Ledger::note(const std::string& name) const {
  const auto found = notes_.find(name);
  return found == notes_.end() ? nullptr : &found->second;
}

void Ledger::remember(const std::string& name, const Json& value) {
  append({{"type", "note"}, {"name", name}, {"value", value}});
}

}  // namespace thoughtrank
