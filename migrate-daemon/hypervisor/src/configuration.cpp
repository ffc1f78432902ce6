#include "hypervisor/configuration.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace hypervisor {
namespace {

/// A string of a structure that libxl frees.
void replace(char*& text, std::string_view by) {
    std::free(text);
    text = strndup(by.data(), by.size());
}

} // namespace

Configuration::Configuration() : config_{new libxl_domain_config} { libxl_domain_config_init(config_.get()); }

Result<Configuration> Configuration::of(Toolstack const& tools, std::uint32_t domain) {
    Configuration found;
    if (libxl_retrieve_domain_configuration(tools.light(), domain, found.config_.get(), nullptr) != 0)
        return fail(Kind::failed, "libxl does not know the configuration of domain " + std::to_string(domain),
                    "was it made by xl?");
    return found;
}

Result<Configuration> Configuration::from(Toolstack const& tools, std::string const& text) {
    Configuration read;
    if (libxl_domain_config_from_json(tools.light(), read.config_.get(), text.c_str()) != 0)
        return fail(Kind::precondition, "the domain's configuration is not one that this host's libxl can read",
                    "both hosts need the same version of Xen's tools");
    return read;
}

Result<std::string> Configuration::text(Toolstack const& tools) const {
    char* const json = libxl_domain_config_to_json(tools.light(), config_.get());
    if (json == nullptr)
        return fail(Kind::failed, "libxl does not write the domain's configuration down");
    std::string text{json};
    std::free(json);
    return text;
}

std::string Configuration::name() const { return config_->c_info.name == nullptr ? "" : config_->c_info.name; }

void Configuration::set_name(std::string_view name) { replace(config_->c_info.name, name); }

void Configuration::set_kernel(std::string_view path) {
    auto& build = config_->b_info;
    replace(build.kernel, path);
    for (char** const text : {&build.ramdisk, &build.bootloader, &build.cmdline}) {
        std::free(*text);
        *text = nullptr;
    }
}

void Configuration::set_memory(std::uint64_t kibibytes) {
    config_->b_info.target_memkb = kibibytes;
    config_->b_info.max_memkb = std::max(config_->b_info.max_memkb, kibibytes);
}

} // namespace hypervisor
