#include "thoughtrank/data/answer_form.h"

namespace thoughtrank {

std::string describe_form(AnswerForm form) {
  switch (form) {
    case AnswerForm::direct:
      return "without a thought";
    case AnswerForm::thought:
      return "with a thought";
    case AnswerForm::direct_with_examples:
      return "with examples, without a thought";
    case AnswerForm::thought_with_examples:
      return "with examples and a thought";
  }
  return "";
}

}  // namespace thoughtrank
