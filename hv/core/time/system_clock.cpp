#include "timing/system_clock.hpp"
