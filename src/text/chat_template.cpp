#include "thoughtrank/text/chat_template.h"

#include <algorithm>
#include <filesystem>

#include "text/template_file.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/hash.h"

namespace thoughtrank {
namespace {

// The prompt in order: pieces of the template may hold special tokens, what people wrote may not.
std::vector<TextPart> parts_of(const ChatTemplate& t, const ChatPrompt& prompt) {
  std::vector<TextPart> parts = {{t.bos, /*parse_special=*/true}};
  const std::string& system = prompt.system.empty() ? t.default_system : prompt.system;
  if (!system.empty()) {
    parts.push_back({t.system_open, true});
    parts.push_back({system, false});
    parts.push_back({t.system_close, true});
  }
  const auto ask = [&](const std::string& user) {
    parts.push_back({t.user_open, true});
    parts.push_back({user, false});
    parts.push_back({t.user_close, true});
    parts.push_back({t.assistant_open, true});
  };
  const std::string& close = t.example_close.empty() ? t.assistant_close : t.example_close;
  for (const ChatTurn& turn : prompt.earlier) {
    ask(turn.user);
    parts.push_back({turn.assistant, false});
    parts.push_back({close, true});
  }
  ask(prompt.user);
  return parts;
}

std::vector<std::filesystem::path> list_templates(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  if (files.empty()) {
    fail(ExitCode::kMissingInput, "{}: found no templates (*.yaml)", folder.string());
  }
  std::ranges::sort(files);
  return files;
}

std::string names_of(const std::vector<std::filesystem::path>& files) {
  std::string names;
  for (const auto& file : files) names += (names.empty() ? "" : ", ") + file.stem().string();
  return names;
}

ChatTemplate recognise(const std::filesystem::path& templates_dir,
                       const std::filesystem::path& model_folder) {
  const auto jinja = find_model_jinja(model_folder);
  if (!jinja)
    return resolve_template(read_template_file(templates_dir / "plain.yaml"), model_folder);
  const std::string hash = sha256(*jinja);
  const auto files = list_templates(templates_dir);
  for (const auto& file : files) {
    ChatTemplate t = read_template_file(file);
    if (std::ranges::find(t.recognises, hash) != t.recognises.end()) {
      return resolve_template(std::move(t), model_folder);
    }
  }
  for (const auto& file : files) {  // a checkpoint of ours carries the template's own text
    ChatTemplate t = resolve_template(read_template_file(file), model_folder);
    if (t.jinja == *jinja) return t;
  }
  fail(
      ExitCode::kConfig,
      "{}: thoughtrank does not know this model's chat template (SHA-256 {}), so that 'template: "
      "auto' cannot "
      "choose. Set 'template' to the one that fits: {}, or the path of a template file of your own",
      model_folder.string(),
      hash,
      names_of(files));
}

}  // namespace

ChatTemplate load_template(const std::string& choice,
                           const std::filesystem::path& templates_dir,
                           const std::filesystem::path& model_folder) {
  if (choice == "auto") return recognise(templates_dir, model_folder);
  std::filesystem::path file = choice;
  if (file.extension() != ".yaml") {
    file = templates_dir / (choice + ".yaml");
    if (choice.find('/') != std::string::npos || !std::filesystem::exists(file)) {
      fail(ExitCode::kConfig,
           "template: there is no template '{}'. Known: auto, {}, or the path of a .yaml file",
           choice,
           names_of(list_templates(templates_dir)));
    }
  }
  return resolve_template(read_template_file(file), model_folder);
}

std::vector<int64_t> encode_prompt(const ChatTemplate& chat_template,
                                   const Tokenizer& tokenizer,
                                   const ChatPrompt& prompt) {
  return tokenizer.encode_parts(parts_of(chat_template, prompt));
}

std::string render_prompt(const ChatTemplate& chat_template, const ChatPrompt& prompt) {
  std::string text;
  for (const auto& part : parts_of(chat_template, prompt)) text += part.text;
  return text;
}

std::vector<int64_t> stop_ids(const ChatTemplate& chat_template, const Tokenizer& tokenizer) {
  std::vector<int64_t> ids;
  for (const auto& token : chat_template.stop) {
    const auto id = tokenizer.find_token(token);
    if (!id) {
      fail(ExitCode::kConfig,
           "template '{}': '{}' ends an answer, but the tokenizer has no such token. Does this "
           "template fit the model?",
           chat_template.name,
           token);
    }
    ids.push_back(*id);
  }
  return ids;
}

std::filesystem::path find_templates_dir() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto folder = program.parent_path();
  for (const auto& candidate :
       {folder.parent_path() / "configs" / "templates", folder / "configs" / "templates"}) {
    if (std::filesystem::is_directory(candidate, error)) return candidate;
  }
  fail(ExitCode::kMissingInput,
       "found no configs/templates beside the program in {} nor one folder above. Keep 'configs' "
       "next to 'build'",
       folder.string());
}

}  // namespace thoughtrank
