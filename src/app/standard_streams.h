#pragma once

namespace thoughtrank {

// Opens the standard descriptors (0, 1, 2) that are closed on /dev/null. Daemons and launchers
// start programs without them; the next file would get such a number, and whatever is printed would
// be written into it.
void open_standard_streams();

}  // namespace thoughtrank
