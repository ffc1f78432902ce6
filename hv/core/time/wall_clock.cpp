#include "timing/wall_clock.hpp"
