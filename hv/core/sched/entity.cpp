#include "sched/entity.hpp"
