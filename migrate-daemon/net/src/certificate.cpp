#include <ctime>

#include <openssl/pem.h>

#include "net/hello.hpp"
#include "net/keys.hpp"
#include "openssl.hpp"

namespace net {

using outcome::fail;
using outcome::Kind;
using outcome::Result;

X509Owner parse_certificate(std::string const& pem) {
    BioOwner const bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
    X509Owner found{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)};
    ERR_clear_error();
    return found;
}

std::string digest_of(X509* certificate) {
    std::string digest(EVP_MAX_MD_SIZE, '\0');
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), reinterpret_cast<unsigned char*>(digest.data()), &size) != 1)
        size = 0;
    digest.resize(size);
    return digest;
}

std::string fingerprint_of(X509* certificate) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text = "SHA256:";
    for (auto const octet : digest_of(certificate)) {
        auto const value = static_cast<unsigned char>(octet);
        text.append({kDigits[value >> 4], kDigits[value & 15]});
    }
    return text;
}

std::string name_in(X509* certificate) {
    char name[128] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
    return name[0] == '\0' ? "?" : printable(name);
}

Result<Certificate> certificate_from(std::string const& pem) {
    auto const parsed = parse_certificate(pem);
    if (!parsed)
        return fail(Kind::precondition, "there is no certificate in it",
                    "certificate.pem of the other host is what is wanted");
    BioOwner const out{BIO_new(BIO_s_mem())};
    std::tm expires{};
    char date[16] = "?";
    if (PEM_write_bio_X509(out.get(), parsed.get()) != 1)
        return fail(Kind::failed, "a certificate cannot be written: " + openssl_words());
    if (ASN1_TIME_to_tm(X509_get0_notAfter(parsed.get()), &expires) == 1)
        std::strftime(date, sizeof date, "%Y-%m-%d", &expires);
    char* text = nullptr;
    auto const size = BIO_get_mem_data(out.get(), &text);
    return Certificate{.name = name_in(parsed.get()),
                       .fingerprint = fingerprint_of(parsed.get()),
                       .expires = date,
                       .pem = std::string(text, static_cast<std::size_t>(size))};
}

} // namespace net
