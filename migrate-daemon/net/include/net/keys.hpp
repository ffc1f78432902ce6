/// Who this host is, and whom it trusts: a folder (/etc/tern/keys) with
///
///     key.pem            Ed25519, mode 0600
///     certificate.pem    self-signed; to be given to the other hosts
///     trusted/*.pem      certificates of the other hosts
///
/// A host is who its certificate says, octet by octet: the names in certificates are shown and never compared. So there is no authority to
/// run or to trust, and to trust a host is to copy one file.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "outcome/failure.hpp"

namespace net {

inline constexpr char const* kKeysFolder = "/etc/tern/keys";

struct Certificate {
    std::string name;        ///< what it calls itself
    std::string fingerprint; ///< "SHA256:", 64 hexadecimal digits: of the certificate in DER
    std::string expires;     ///< "2036-11-29"
    std::string pem;
};

/// `precondition`: @p pem contains none.
outcome::Result<Certificate> certificate_from(std::string const& pem);

enum class KeyKind {
    own,        ///< random
    laboratory, ///< the same on all hosts of the world: for laboratories, which cannot keep a secret. Trusts itself
};

/// Makes a key and a certificate that says @p name, valid for @p validity from a day ago (clocks differ). Never replaces: `precondition`.
outcome::Result<Certificate> make_keys(std::filesystem::path const& folder, std::string const& name,
                                       KeyKind kind = KeyKind::own,
                                       std::chrono::hours validity = std::chrono::hours{24 * 3650});
outcome::Result<Certificate> own_certificate(std::filesystem::path const& folder);
/// Adds what @p pem contains to the trusted ones; that it is there already is no failure.
outcome::Result<Certificate> trust(std::filesystem::path const& folder, std::string const& pem);
outcome::Result<std::vector<Certificate>> trusted_certificates(std::filesystem::path const& folder);
/// That of the laboratory's key.
[[nodiscard]] bool is_laboratory(Certificate const& certificate);

/// Asks @p host for its certificate. Nothing proves that it is that host who answers: the fingerprint has to be compared.
outcome::Result<Certificate> ask_for_certificate(std::string const& host, std::uint16_t port,
                                                 std::chrono::milliseconds patience);

/// A key, a certificate and the trusted ones, ready for connections: what is read once for each migration.
class Credentials {
  public:
    /// `precondition`, with what to do, when there is no key.
    static outcome::Result<Credentials> read(std::filesystem::path const& folder);

    [[nodiscard]] Certificate const& own() const;
    struct State;
    [[nodiscard]] State& state() const { return *state_; }

  private:
    explicit Credentials(std::shared_ptr<State> state) : state_{std::move(state)} {}
    std::shared_ptr<State> state_;
};

} // namespace net
