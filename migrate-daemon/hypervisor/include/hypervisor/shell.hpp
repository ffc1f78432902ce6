/// The domain that a guest moves into: made by libxl from the guest's configuration, with its devices, rings and nodes in the store, but
/// around a kernel that does nothing; then emptied. All that is slow is done before the guest stops.
///
/// The new domain's event channels have the numbers that the old one's had, as both were made by libxl. The pages that xenstored and
/// xenconsoled have mapped are given the numbers under which the guest has its rings (TERN_swap_frames), and are written last: until then the
/// daemons would take what stands in them for requests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypervisor/configuration.hpp"
#include "hypervisor/domains.hpp"
#include "hypervisor/failure.hpp"
#include "hypervisor/frames.hpp"
#include "hypervisor/guest_memory.hpp"
#include "hypervisor/suspension.hpp"
#include "hypervisor/toolstack.hpp"

namespace hypervisor {

struct ShellRequest {
    std::string configuration; ///< the guest's (Configuration::text)
    std::string name;          ///< until start(): nobody else's
    std::string husk;          ///< the kernel that does nothing: a file
    std::vector<Run> layout;   ///< what memory it has
    SharedRing store, console; ///< as the guest knows them
};

class Shell {
  public:
    /// `precondition`: no memory, no such back end, a name that is taken ... Nothing is left then.
    static Result<Shell> make(Toolstack const& tools, ShellRequest request);
    Shell(Shell&& other) noexcept;
    Shell& operator=(Shell&&) = delete;
    /// Destroys the domain, unless start() let it go.
    ~Shell();

    [[nodiscard]] std::uint32_t domain() const { return domain_; }

    /// Where the contents of frame @p gfn are kept until adopt() if a daemon has it mapped (empty: not written yet); null: it is an ordinary
    /// frame, and written by `Frames`.
    [[nodiscard]] std::vector<std::byte>* ring_page(std::uint64_t gfn);
    /// The guest has given this frame up.
    Result<void> give_up(std::uint64_t gfn);

    /// The domain becomes what @p record says. After all pages.
    Result<void> adopt(std::span<std::byte const> record, Way way);
    /// What the guest itself had written into its store: path below its own, and value.
    Result<void> write_nodes(std::map<std::string, std::string> const& nodes);
    /// It runs from now on; from now on it is the guest.
    Result<void> start();
    /// It is the guest from now on, and does not run yet.
    void keep_paused() { started_ = true; }
    /// It gets its name, and the configuration that it was made from. REQUIRES: started.
    Result<void> settle();

  private:
    Shell(Toolstack const& tools, ShellRequest request) : tools_{&tools}, request_{std::move(request)} {}
    Result<void> create();
    Result<void> fill_above();
    Result<void> place_rings();
    Result<void> empty_holes();
    Result<void> write_rings();

    Toolstack const* tools_;
    ShellRequest request_;
    std::uint32_t domain_ = 0; ///< 0: none, or not ours any more
    bool started_ = false;
    std::optional<Frames> rings_; ///< made before they are written, while the guest waits
    std::vector<std::byte> store_page_, console_page_;
};

/// A domain that was called @p temporary gets the name of @p configuration, and libxl's note of having been made from that.
Result<void> give_identity(Toolstack const& tools, std::uint32_t domain, std::string const& temporary,
                           std::string const& configuration);

} // namespace hypervisor
