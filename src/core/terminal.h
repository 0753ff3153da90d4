// The one owner of stderr: log lines scroll, and below them stands at most one status line that is
// redrawn in place. Safe to call from several threads. Errors of stderr itself are ignored: nobody
// is left to tell.
#pragma once

#include <string>
#include <string_view>

namespace thoughtrank {

[[nodiscard]] bool stderr_is_terminal();
// Without status lines (JSON logs), stderr counts as no terminal for draw_status_line's callers.
void allow_status_line(bool allowed);
[[nodiscard]] bool status_line_is_allowed();

// Prints a whole line (its newline included) above the status line.
void print_line(std::string_view line);
// Draws `line` in place of the present status line, cut to the terminal's width.
void draw_status_line(const std::string& line);
// Leaves the status line standing; the next output starts below it.
void end_status_line();

}  // namespace thoughtrank
