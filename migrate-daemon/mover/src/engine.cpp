#include "mover/engine.hpp"

#include <utility>

#include "incoming.hpp"
#include "outgoing.hpp"
#include "recovery.hpp"

namespace mover {
namespace {

using outcome::Result;

class MoveEngine : public service::Engine {
  public:
    explicit MoveEngine(Settings settings) : settings_{std::move(settings)} {}

    Result<service::Summary> run_outgoing(service::MoveRequest const& request, service::Workbench& bench) override {
        return move_out(request, bench);
    }
    Result<service::Summary> run_incoming(service::Workbench& bench) override { return move_in(settings_.husk, bench); }

    Result<service::Summary> recover(service::JournalHead const& head,
                                     std::vector<service::JournalEntry> const& entries,
                                     service::Workbench& bench) override {
        return mover::recover(head, entries, bench);
    }

  private:
    Settings settings_;
};

} // namespace

std::unique_ptr<service::Engine> make_engine(Settings settings) {
    return std::make_unique<MoveEngine>(std::move(settings));
}

} // namespace mover
