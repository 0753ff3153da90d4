#include "app/ranks.h"

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

void require_one_rank() {
  // torchrun, accelerate, deepspeed; srun, of this step; Open MPI; MPICH and Intel MPI.
  for (const char* name :
       {"WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    int ranks = 0;
    (void)std::from_chars(text, text + std::strlen(text), ranks);
    if (ranks <= 1) continue;
    fail(ExitCode::kUsage,
         "{}={}: a launcher has started {} processes, but a run is one process so far. Start it "
         "once, without torchrun, or with --ntasks=1 (or unset {})",
         name,
         text,
         ranks,
         name);
  }
}

}  // namespace thoughtrank
