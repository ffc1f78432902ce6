/// OpenSSL's objects, owned.
#pragma once

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "outcome/failure.hpp"

namespace net {

template <auto kFree> struct Freed {
    template <typename T> void operator()(T* object) const { kFree(object); }
};
using X509Owner = std::unique_ptr<X509, Freed<X509_free>>;
using KeyOwner = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using BioOwner = std::unique_ptr<BIO, Freed<BIO_free_all>>;

/// What OpenSSL said last, and forgets by this.
inline std::string openssl_words() {
    char words[256] = "no reason given";
    if (auto const code = ERR_get_error(); code != 0)
        ERR_error_string_n(code, words, sizeof words);
    ERR_clear_error();
    return words;
}

/// Null: no certificate in it.
X509Owner parse_certificate(std::string const& pem);
/// Of the certificate in DER; 32 octets.
std::string digest_of(X509* certificate);
/// From the common name, as printable characters.
std::string name_in(X509* certificate);
std::string fingerprint_of(X509* certificate);

} // namespace net
