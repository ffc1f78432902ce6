/// Until there is an engine: says so, and touches nothing.
#pragma once

#include "service/engine.hpp"

class NoEngine : public service::Engine {
  public:
    outcome::Result<service::Summary> run_outgoing(service::MoveRequest const&, service::Workbench&) override {
        return not_yet();
    }
    outcome::Result<service::Summary> run_incoming(service::Workbench&) override { return not_yet(); }
    outcome::Result<service::Summary> recover(service::JournalHead const&, std::vector<service::JournalEntry> const&,
                                              service::Workbench&) override {
        return not_yet();
    }
    outcome::Result<service::Summary> help_recovering(service::Workbench&) override { return not_yet(); }

  private:
    static base::Err<outcome::Failure> not_yet() {
        return outcome::fail(outcome::Kind::precondition, "moving to another host is not there yet",
                             "migrate --save to a file that both hosts reach, and --restore there");
    }
};
