// What a language model is asked. The one who asks writes it, a Protocol turns it into the bytes of
// one kind of server. Pure data.
#pragma once

#include <string>
#include <vector>

#include "thoughtrank/core/json.h"

namespace thoughtrank {

struct Question {
  std::string system;               // what the model is to do
  std::string user;                 // what it is to do that with
  std::vector<std::string> labels;  // the labels that the reply ranks; a format may demand them
  // The same as named fields, {"rubric", "instructions", "question", "answers"}, for a program,
  // which needs no prose.
  Json fields;
};

}  // namespace thoughtrank
