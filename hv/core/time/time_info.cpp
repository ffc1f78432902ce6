#include "timing/time_info.hpp"
