#include "console/format.hpp"
