/// A domain's configuration as libxl knows it: a value that can be sent as text, and made a domain of.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "hypervisor/failure.hpp"
#include "hypervisor/toolstack.hpp"

namespace hypervisor {

class Configuration {
  public:
    /// Of a domain that there is, with the devices that it has now.
    static Result<Configuration> of(Toolstack const& tools, std::uint32_t domain);
    /// From what text() gave. `precondition`: it is none.
    static Result<Configuration> from(Toolstack const& tools, std::string const& text);

    [[nodiscard]] Result<std::string> text(Toolstack const& tools) const;
    [[nodiscard]] libxl_domain_config& raw() const { return *config_; }
    [[nodiscard]] std::string name() const;

    void set_name(std::string_view name);
    /// Another kernel, alone: no initramfs, no boot loader.
    void set_kernel(std::string_view path);
    /// What it has at its start.
    void set_memory(std::uint64_t kibibytes);

  private:
    struct Dispose {
        void operator()(libxl_domain_config* config) const {
            libxl_domain_config_dispose(config);
            delete config;
        }
    };
    Configuration();

    std::unique_ptr<libxl_domain_config, Dispose> config_;
};

} // namespace hypervisor
