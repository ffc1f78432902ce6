#include "events/event_table.hpp"
