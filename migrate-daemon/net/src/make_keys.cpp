// A key and a certificate of one's own.

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/keys.hpp"
#include "openssl.hpp"

namespace net {
namespace {

using outcome::fail;
using outcome::fail_errno;
using outcome::Kind;
using outcome::Result;

/// Hashed, it is the laboratory's private key.
constexpr std::string_view kLaboratory = "Tern's laboratory: everybody knows this key";
constexpr char const* kLaboratoryName = "laboratory (everybody knows its key)";
constexpr std::size_t kMostName = 64; // of a common name (RFC 5280, ub-common-name)

KeyOwner random_key() {
    EVP_PKEY* key = nullptr;
    std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>> const context{
        EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr)};
    if (context && EVP_PKEY_keygen_init(context.get()) == 1)
        EVP_PKEY_keygen(context.get(), &key);
    return KeyOwner{key};
}

KeyOwner laboratory_key() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> seed{};
    unsigned size = 0;
    if (EVP_Digest(kLaboratory.data(), kLaboratory.size(), seed.data(), &size, EVP_sha256(), nullptr) != 1)
        return {};
    return KeyOwner{EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), size)};
}

bool set_times(X509* certificate, KeyKind kind, std::chrono::hours validity) {
    // The laboratory's is the same whenever and wherever it is made. RFC 5280: the last second of 9999 says "for ever".
    if (kind == KeyKind::laboratory)
        return ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "20000101000000Z") == 1 &&
               ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "99991231235959Z") == 1;
    constexpr long kDay = 24 * 3600;
    auto const seconds = static_cast<long>(std::chrono::seconds{validity}.count());
    return X509_gmtime_adj(X509_getm_notBefore(certificate), std::min(-kDay, seconds - kDay)) != nullptr &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), seconds) != nullptr;
}

X509Owner self_signed(EVP_PKEY* key, std::string const& name, KeyKind kind, std::chrono::hours validity) {
    X509Owner made{X509_new()};
    std::uint64_t serial = 1;
    if (kind == KeyKind::own && RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1)
        return {};
    auto* const subject = X509_get_subject_name(made.get());
    auto const* const words = reinterpret_cast<unsigned char const*>(name.c_str());
    bool const fine =
        X509_set_version(made.get(), X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), serial >> 1) == 1 &&
        set_times(made.get(), kind, validity) &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, words, static_cast<int>(name.size()), -1, 0) == 1 &&
        X509_set_issuer_name(made.get(), subject) == 1 && X509_set_pubkey(made.get(), key) == 1 &&
        X509_sign(made.get(), key, nullptr) != 0;
    return fine ? std::move(made) : X509Owner{};
}

/// Whole, on the disk, and not in anybody's place.
Result<void> write_new(std::filesystem::path const& path, BIO* content, mode_t mode) {
    int const file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (file < 0)
        return fail_errno(path.string() + " cannot be made", Kind::precondition);
    char* text = nullptr;
    auto const size = BIO_get_mem_data(content, &text);
    bool const written =
        fchmod(file, mode) == 0 && write(file, text, static_cast<std::size_t>(size)) == size && fsync(file) == 0;
    if (!written) {
        auto failure = fail_errno(path.string() + " cannot be written");
        close(file);
        unlink(path.c_str());
        return failure;
    }
    close(file);
    return {};
}

} // namespace

Result<Certificate> make_keys(std::filesystem::path const& folder, std::string const& name, KeyKind kind,
                              std::chrono::hours validity) {
    bool const laboratory = kind == KeyKind::laboratory;
    auto const key_path = folder / "key.pem";
    auto const certificate_path = folder / "certificate.pem";
    std::error_code error;
    std::filesystem::create_directories(folder / "trusted", error);
    if (error)
        return fail(Kind::precondition, folder.string() + " cannot be made: " + error.message());
    for (auto const& path : {key_path, certificate_path})
        if (std::filesystem::exists(path, error))
            return fail(Kind::precondition, path.string() + " is there already",
                        "other hosts may trust it; remove it yourself if it is to be replaced");
    auto const key = laboratory ? laboratory_key() : random_key();
    auto const certificate =
        key ? self_signed(key.get(), laboratory ? kLaboratoryName : name.substr(0, kMostName), kind, validity)
            : X509Owner{};
    BioOwner const key_text{BIO_new(BIO_s_mem())};
    BioOwner const certificate_text{BIO_new(BIO_s_mem())};
    if (!certificate ||
        PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
        PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1)
        return fail(Kind::failed, "no key and certificate can be made: " + openssl_words());
    TRY(write_new(key_path, key_text.get(), 0600));
    TRY(write_new(certificate_path, certificate_text.get(), 0644));
    auto const made = TRY(own_certificate(folder));
    if (laboratory)
        TRY(trust(folder, made.pem));
    return made;
}

bool is_laboratory(Certificate const& certificate) {
    static std::string const kFingerprint = [] {
        auto const key = laboratory_key();
        auto const made = self_signed(key.get(), kLaboratoryName, KeyKind::laboratory, {});
        return fingerprint_of(made.get());
    }();
    return certificate.fingerprint == kFingerprint;
}

} // namespace net
