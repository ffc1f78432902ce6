#include "credentials.hpp"

#include <openssl/x509_vfy.h>

namespace net {
namespace {

/// Instead of OpenSSL's own: no chain, no authority, no name. In the list, and within its dates.
int verify(X509_STORE_CTX* store, void* argument) {
    auto const& state = *static_cast<Credentials::State const*>(argument);
    auto* const certificate = X509_STORE_CTX_get0_cert(store);
    int error = X509_V_OK;
    if (certificate == nullptr || !state.trusted.contains(digest_of(certificate)))
        error = X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT; // told to the other side as "unknown CA"
    else if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        error = X509_V_ERR_CERT_HAS_EXPIRED;
    else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        error = X509_V_ERR_CERT_NOT_YET_VALID;
    X509_STORE_CTX_set_error(store, error);
    return error == X509_V_OK ? 1 : 0;
}

/// AES without the processor's instructions for it is several times slower than ChaCha20 (QEMU's TCG: 42 against 293 MiB/s); so who lacks
/// them prefers that, and a callee does as the caller prefers.
bool prefer_fast_cipher(SSL_CTX* context) {
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    return __builtin_cpu_supports("aes") ||
           SSL_CTX_set_ciphersuites(context,
                                    "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256") == 1;
}

} // namespace

bool Credentials::State::prepare(X509* certificate, EVP_PKEY* key) {
    context.reset(SSL_CTX_new(TLS_method()));
    auto* const made = context.get();
    if (made == nullptr)
        return false;
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_cert_verify_callback(made, verify, this);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    // A ticket that nobody reads would turn the end of a connection into a reset, which takes what is still under way with it.
    return prefer_fast_cipher(made) && SSL_CTX_set_num_tickets(made, 0) == 1 &&
           SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION) == 1 &&
           SSL_CTX_use_certificate(made, certificate) == 1 && SSL_CTX_use_PrivateKey(made, key) == 1;
}

} // namespace net
