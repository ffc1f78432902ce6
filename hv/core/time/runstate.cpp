#include "timing/runstate.hpp"
