/// What a destination needs to know before the first page: the description, and which frames there are. Text, in the message Prepare.
#pragma once

#include <string>
#include <string_view>

#include "engine/description.hpp"
#include "migrate/layout.hpp"

namespace mover {

struct Preparation {
    engine::Description description;
    migrate::MemoryLayout layout;
};

std::string text_of(Preparation const& preparation);
/// `precondition`: it is none.
outcome::Result<Preparation> preparation_from(std::string_view text);

} // namespace mover
