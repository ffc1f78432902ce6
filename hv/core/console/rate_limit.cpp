#include "console/rate_limit.hpp"
