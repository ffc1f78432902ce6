#include "sched/idle_set.hpp"
