#include "sched/run_queue.hpp"
