#include "service/results.hpp"

namespace service {

using outcome::Kind;

std::string_view outcome_of(Kind kind) {
    switch (kind) {
    case Kind::failed: return "failed";
    case Kind::precondition: return "refused";
    case Kind::connect: return "unreachable";
    case Kind::timed_out: return "timed_out";
    case Kind::cancelled: return "cancelled";
    case Kind::attention: return "attention";
    }
    return "failed";
}

nlohmann::json failed_result(nlohmann::json known, outcome::Failure const& failure) {
    known["schema"] = kSchema;
    known["outcome"] = outcome_of(failure.kind);
    known["code"] = static_cast<int>(failure.kind);
    known["message"] = failure.message;
    known["hint"] = failure.hint;
    return known;
}

std::string text_in(nlohmann::json const& object, char const* field) {
    auto const found = object.find(field);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::optional<std::int64_t> number_in(nlohmann::json const& object, char const* field) {
    auto const found = object.find(field);
    return found != object.end() && found->is_number_integer() ? std::optional{found->get<std::int64_t>()}
                                                               : std::nullopt;
}

int code_of(nlohmann::json const& result) { return static_cast<int>(number_in(result, "code").value_or(0)); }

} // namespace service
