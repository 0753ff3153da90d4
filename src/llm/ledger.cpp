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
  if (type == "note") {
    notes_[require_string(record, "name", where)] = require(record, "value", where);
    return;
  }
  const std::string request = require_string(record, "request", where);
  if (type == "failed") {
    exported_.erase(request);
    discarded_.erase(request);
    FailedAttempts& failure = failures_[request];
    ++failure.attempts;
    failure.usd += require_number(record, "usd", where);
    failure.reason = require_string(record, "reason", where);
    failure.is_final = record.value("final", false);
  } else if (type == "result") {
    take_result(request, record);
  } else if (type == "void") {
    replies_.erase(request);
    failures_.erase(request);
  } else if (type == "batched") {
    exported_[request] = require_number(record, "reserved_usd", where);
  } else if (type == "discarded") {
    exported_.erase(request);
    discarded_[request] = require_number(record, "usd", where);
  } else if (type == "reused") {
    paid_before_.erase(request);
  }
}

void Ledger::take_result(const std::string& request, const Json& record) {
  const std::string where = path_.string();
  replies_[request] = {.body = require_string(record, "reply", where),
                       .usd = require_number(record, "usd", where),
                       .attempts = require_int(record, "attempts", 1, 1000, where),
                       .is_too_long = record.value("too_long", false)};
  failures_.erase(request);
  exported_.erase(request);
  discarded_.erase(request);
  if (record.value("process", "") != process_mark()) paid_before_.insert(request);
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

void Ledger::settle(const std::string& request, PaidReply reply) {
  Json record = {{"type", "result"},
                 {"request", request},
                 {"usd", reply.usd},
                 {"attempts", reply.attempts},
                 {"process", process_mark()},
                 {"reply", std::move(reply.body)}};
  if (reply.is_too_long) record["too_long"] = true;
  append(record);
}

void Ledger::lose(const std::string& request,
                  double usd,
                  const std::string& reason,
                  bool is_final) {
  Json record = {{"type", "failed"}, {"request", request}, {"usd", usd}, {"reason", reason}};
  if (is_final) record["final"] = true;
  append(record);
}

void Ledger::forget(const std::string& request) {
  if (find(request) == nullptr && find_failure(request) == nullptr) return;
  append({{"type", "void"}, {"request", request}});
}

void Ledger::export_call(const std::string& request, double reserved_usd) {
  append({{"type", "batched"}, {"request", request}, {"reserved_usd", reserved_usd}});
}

double Ledger::exported_usd(const std::string& request) const {
  for (const auto* calls : {&exported_, &discarded_}) {
    if (const auto found = calls->find(request); found != calls->end()) return found->second;
  }
  return 0;
}

int64_t Ledger::discard_exported() {
  const std::map<std::string, double> discarded = exported_;
  for (const auto& [request, reserved_usd] : discarded) {
    append({{"type", "discarded"}, {"request", request}, {"usd", reserved_usd}});
  }
  return std::ssize(discarded);
}

const Json* Ledger::note(const std::string& name) const {
  const auto found = notes_.find(name);
  return found == notes_.end() ? nullptr : &found->second;
}

void Ledger::remember(const std::string& name, const Json& value) {
  append({{"type", "note"}, {"name", name}, {"value", value}});
}

}  // namespace thoughtrank
