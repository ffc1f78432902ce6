#include "mover/engine.hpp"

#include <utility>

#include "incoming.hpp"
#include "outgoing.hpp"

namespace mover {
namespace {

using outcome::fail;
using outcome::Kind;
using outcome::Result;

class MoveEngine : public service::Engine {
  public:
    explicit MoveEngine(Settings settings) : settings_{std::move(settings)} {}

    Result<service::Summary> run_outgoing(service::MoveRequest const& request, service::Workbench& bench) override {
        return move_out(request, bench);
    }
    Result<service::Summary> run_incoming(service::Workbench& bench) override { return move_in(settings_.husk, bench); }

    // Not there yet, and said so: the journal stays, and says who may run the domain.
    Result<service::Summary> recover(service::JournalHead const& head, std::vector<service::JournalEntry> const&,
                                     service::Workbench&) override {
        return fail(Kind::attention, "putting right a migration of " + head.vm + " that was cut off is not there yet",
                    "its journal says who may run the domain; xl list on both hosts");
    }
    Result<service::Summary> help_recovering(service::Workbench&) override {
        return fail(Kind::attention, "putting right a migration that was cut off is not there yet");
    }

  private:
    Settings settings_;
};

} // namespace

std::unique_ptr<service::Engine> make_engine(Settings settings) {
    return std::make_unique<MoveEngine>(std::move(settings));
}

} // namespace mover
