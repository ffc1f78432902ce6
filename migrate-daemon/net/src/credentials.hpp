/// What Credentials are made of, for those who make connections.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "net/keys.hpp"
#include "openssl.hpp"

namespace net {

struct Credentials::State {
    Certificate own;
    std::set<std::string, std::less<>> trusted; ///< digests
    std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context;

    /// TLS 1.3, both sides show a certificate, and it has to be one of the trusted.
    [[nodiscard]] bool prepare(X509* certificate, EVP_PKEY* key);
};

} // namespace net
