// How one server or program is reached and used: the keys of a judge that say nothing about
// judging.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thoughtrank/config/fields.h"

namespace thoughtrank {

enum class ServerKind : uint8_t { openai, anthropic, command };
inline constexpr EnumWords<ServerKind, 3> kServerKinds = {{{ServerKind::openai, "openai"},
                                                           {ServerKind::anthropic, "anthropic"},
                                                           {ServerKind::command, "command"}}};

struct ServerOptions {
  std::string base_url;
  std::string model;
  std::string api_key_env;
  std::string api_key_file;
  std::vector<std::string> command;  // program and arguments of kind command
  Json price;                        // {input_per_million, output_per_million} or null
  int64_t concurrency = 16;
  int64_t max_output_tokens = 2048;
  double timeout_s = 600;
  double patience_s = 600;  // time that a server may be down
  bool allow_http = false;
  std::string ca_file;
  std::string proxy;
  Json extra_body;

  // The fields in four parts, because the keys of a judge stand between them in a config.
  void visit_address(FieldVisitor& v);
  void visit_command(FieldVisitor& v);
  void visit_calls(FieldVisitor& v);
  void visit_limits(FieldVisitor& v);
};

}  // namespace thoughtrank
