#include "judge/ledger.h"

#include <utility>

namespace thoughtrank {

Ledger::Ledger(std::filesystem::path path) : path_(std::move(path)) {
  if (!std::filesystem::exists(path_)) return;
  journal_ = std::make_unique<Journal>(path_, [this](const Json& body) { replay(body); });
  for (const auto& [request, reserved] : open_) spent_ += reserved;  // in flight at a kill
  open_.clear();
}

void Ledger::replay(const Json& body) {
  const std::string where = path_.string();
  const std::string type = require_string(body, "type", where);
  if (type == "note") {
    notes_[require_string(body, "name", where)] = require(body, "value", where);
    return;
  }
  const std::string request = require_string(body, "request", where);
  if (type == "intent") {
    close_intent(request, open_.contains(request) ? open_[request] : 0);
    open_[request] = require_number(body, "reserved_usd", where);
  } else if (type == "failed") {
    close_intent(request, require_number(body, "usd", where));
  } else if (type == "result") {
    PaidReply reply{.body = require_string(body, "reply", where),
                    .usd = require_number(body, "usd", where),
                    .attempts = require_int(body, "attempts", 1, 1000, where)};
    close_intent(request, reply.usd);
    replies_[request] = std::move(reply);
  } else if (type == "void") {
    replies_.erase(request);
  } else {
    fail(ExitCode::kBadData, "{}: unknown record type '{}'", where, type);
  }
}

void Ledger::close_intent(const std::string& request, double usd) {
  open_.erase(request);
  spent_ += usd;
}

void Ledger::append(const Json& body) {
  if (!journal_) {
    journal_ = std::make_unique<Journal>(path_, [](const Json& /*body*/) {});
  }
  journal_->append(body);
}

const PaidReply* Ledger::find(const std::string& request) const {
  const auto found = replies_.find(request);
  return found == replies_.end() ? nullptr : &found->second;
}

void Ledger::intend(const std::string& request, double reserved_usd) {
  append({{"type", "intent"}, {"request", request}, {"reserved_usd", reserved_usd}});
  open_[request] = reserved_usd;
}

void Ledger::settle(const std::string& request, PaidReply reply) {
  append({{"type", "result"},
          {"request", request},
          {"usd", reply.usd},
          {"attempts", reply.attempts},
          {"reply", reply.body}});
  close_intent(request, reply.usd);
  replies_[request] = std::move(reply);
}

void Ledger::lose(const std::string& request, double usd, const std::string& reason) {
  append({{"type", "failed"}, {"request", request}, {"usd", usd}, {"reason", reason}});
  close_intent(request, usd);
}

void Ledger::forget(const std::string& request) {
  if (replies_.erase(request) > 0) append({{"type", "void"}, {"request", request}});
}

const Json* Ledger::note(const std::string& name) const {
  const auto found = notes_.find(name);
  return found == notes_.end() ? nullptr : &found->second;
}

void Ledger::remember(const std::string& name, const Json& value) {
  append({{"type", "note"}, {"name", name}, {"value", value}});
  notes_[name] = value;
}

double Ledger::reserved_usd() const {
  double sum = 0;
  for (const auto& [request, reserved] : open_) sum += reserved;
  return sum;
}

}  // namespace thoughtrank
