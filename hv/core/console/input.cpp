#include "console/input.hpp"
