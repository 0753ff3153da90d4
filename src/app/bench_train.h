// bench train: the trainer's speed on made-up rows.
#pragma once

#include "app/command.h"

namespace thoughtrank {

void add_bench_train(App& app, CLI::App& bench);

}  // namespace thoughtrank
