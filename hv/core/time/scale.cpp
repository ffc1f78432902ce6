#include "timing/scale.hpp"
