#pragma once

namespace thoughtrank {

// Throws Error(kUsage) in a process that a launcher (torchrun, srun, mpirun) started as one of
// several: they would all do the same work in the same folder.
void require_one_rank();

}  // namespace thoughtrank
