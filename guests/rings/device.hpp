/// What both ends of a device write into the store to find each other (<xen/io/xenbus.h>), and the grants by which they share.
#pragma once

#include <xen/io/xenbus.h>

#include "lib/grants.hpp"
#include "lib/memory.hpp"
#include "text.hpp"

class Device {
  public:
    /// @p home is where the guest's half is, as "device/vbd/51712/".
    explicit Device(Text const& home);

    /// The domain was given it.
    [[nodiscard]] bool exists() const { return !std::string_view{back_}.empty(); }
    void set(std::string_view key, std::string_view value) const;
    void forget(std::string_view key) const;
    void become(XenbusState state) const;
    /// Waits until the back end is there; false if it never was.
    [[nodiscard]] bool back_is(XenbusState wanted) const;

  private:
    Text home_, back_;
};

/// Grants @p page, to dom0 unless it is said to whom.
void allow(grant_ref_t ref, lib::Page page, std::uint16_t flags = 0, domid_t to = 0);
/// Somebody has it mapped.
bool is_in_use(grant_ref_t ref);
