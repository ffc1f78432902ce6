#include "console/global.hpp"
