// The four stages of a round, in order. Round 0 has only `evaluate`: the anchors.
#pragma once

#include <array>
#include <string>

namespace thoughtrank {

enum class Stage { generate, judge, train, evaluate };
inline constexpr std::array kStages = {
    Stage::generate, Stage::judge, Stage::train, Stage::evaluate};

[[nodiscard]] std::string stage_name(Stage stage);
[[nodiscard]] Stage stage_named(const std::string& name);  // Error(kBadData) for any other

}  // namespace thoughtrank
