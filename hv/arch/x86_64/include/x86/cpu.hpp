/// What every CPU does once it runs on its own root: the boot CPU and those it starts.
#pragma once

namespace x86 {

void initialise_this_cpu();

} // namespace x86
