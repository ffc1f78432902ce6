#include "timing/timer_queue.hpp"
