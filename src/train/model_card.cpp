#include "train/checkpoint_files.h"
#include "train/licence.h"

namespace thoughtrank {
namespace {

// A fact as plain text; strings without their quotes.
std::string plain(const Json& value) {
  return value.is_string() ? value.get<std::string>() : dump_json(value);
}

// Text in a table cell: bars and line ends would break the table, tags would vanish.
std::string cell(const Json& value) {
  std::string text = "`";
  for (const char c : plain(value)) {
    if (c == '|') text += '\\';
    text += c == '\n' || c == '`' ? ' ' : c;
  }
  return text + "`";
}

std::string base_model(const CheckpointSetup& setup) {
  const auto found = setup.card.find("base_model");
  return found != setup.card.end() ? plain(*found) : setup.base_folder.filename().string();
}

std::string licence_identifier(const CheckpointSetup& setup) {
  if (const auto llama = find_llama_licence(setup.base_folder)) return llama->identifier();
  const auto found = setup.card.find("license");
  return found != setup.card.end() ? plain(*found) : front_matter_licence(setup.base_folder);
}

// YAML reads JSON strings as they are.
std::string front_matter(const CheckpointSetup& setup) {
  std::string lines = "---\nbase_model: " + dump_json(base_model(setup)) + "\n";
  const std::string licence = licence_identifier(setup);
  if (!licence.empty()) lines += "license: " + licence + "\n";
  return lines +
         "library_name: transformers\npipeline_tag: text-generation\ntags: [thoughtrank]\n---\n";
}

std::string origin_of_rows(const CheckpointSetup& setup) {
  if (setup.rows_file.empty()) {
    return "Its training rows are generations of its own whose answers a judge ranked first; the "
           "judge never saw a thought.";
  }
  return "Its training rows are those of a file, `" + setup.rows_file + "`.";
}

}  // namespace

std::string model_card(const CheckpointSetup& setup) {
  const bool is_llama = find_llama_licence(setup.base_folder).has_value();
  const std::string title = is_llama && !setup.is_private ? checkpoint_name(setup.target)
                                                          : base_model(setup) + ", thoughtrank";
  std::string text = front_matter(setup) + "\n# " + title + "\n\n";
  if (is_llama) text += "Built with Llama. See LICENSE and NOTICE.\n\n";
  text += "Fine-tuned from `" + base_model(setup) +
          "` with thoughtrank: the model writes a thought before it answers. " +
          origin_of_rows(setup) +
          "\n\n`chat_template.jinja` renders the prompts of the training. MANIFEST.json has "
          "the SHA-256 of every file.\n\n| fact | value |\n|---|---|\n";
  for (const auto& [key, value] : setup.card.items())
    text += "| " + key + " | " + cell(value) + " |\n";
  return text;
}

}  // namespace thoughtrank
