#include "console/history.hpp"
