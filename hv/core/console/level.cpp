#include "console/level.hpp"
