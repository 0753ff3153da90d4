// A judge of the OpenAI kind without a network: each answer that a request shows gets an opinion,
// the highest ranks first. What it says depends on the request alone.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

#include "llm/loopback_server.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/llm/transport.h"

namespace thoughtrank {

struct ShownAnswer {
  size_t place = 0;  // 0 = shown first
  size_t count = 0;  // of answers shown
  std::string text;
};
using Opinion = std::function<double(const ShownAnswer& answer, RandomStream& noise)>;

class OpinionTransport : public Transport {
 public:
  explicit OpinionTransport(Opinion opinion) : opinion_(std::move(opinion)) {}

  void start(uint64_t ticket, std::string body) override {
    flying_.emplace_back(ticket, std::move(body));
  }
  [[nodiscard]] std::vector<FinishedTransfer> wait(double /*timeout_s*/) override {
    if (flying_.empty()) return {};
    const auto [ticket, body] = flying_.front();
    flying_.pop_front();
    TransportReply reply;
    reply.status = 200;
    const std::string http = chat_response(ranking(body));
    reply.body = http.substr(http.find("\r\n\r\n") + 4);
    return {{ticket, reply}};
  }

 private:
  [[nodiscard]] std::string ranking(const std::string& body) const {
    RandomStream noise(stable_hash(body), "opinion");
    const auto shown = shown_answers({.head = "", .body = body});
    std::vector<std::pair<double, std::string>> liked;
    for (size_t i = 0; i < shown.size(); ++i) {
      const ShownAnswer answer{.place = i, .count = shown.size(), .text = shown[i].second};
      liked.emplace_back(-opinion_(answer, noise), shown[i].first);
    }
    std::sort(liked.begin(), liked.end());
    Json labels = Json::array();
    for (const auto& [value, label] : liked) labels.push_back(label);
    return dump_json(Json{{"ranking", labels}});
  }

  Opinion opinion_;
  std::deque<std::pair<uint64_t, std::string>> flying_;
};

}  // namespace thoughtrank
