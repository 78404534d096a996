// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import CCoAP
import Glibc

// DTLS and TLS: handshakes ask here, on the endpoint's thread.
extension EndpointLoop {
    /// Certificates between a client's and the authority's.
    private static let maximumChain: UInt8 = 3

    func setUpSecurity(_ security: EndpointSecurity) throws(EndpointError) {
        try setUpKeys()
        if let certificate = security.certificate { try setUp(certificate) }
    }

    private func setUpKeys() throws(EndpointError) {
        var setup = coap_dtls_spsk_t()
        setup.version = UInt8(COAP_DTLS_SPSK_SETUP_VERSION)
        setup.psk_info.key = coap_bin_const_t(
            length: securityMemory.unusedKey.count, s: securityMemory.unusedKey.baseAddress)
        setup.validate_id_call_back = { identity, session, _ in
            guard let identity, let session else { return nil }
            return EndpointLoop.of(session)?.key(of: identity.pointee, session)
        }
        guard coap_context_set_psk2(context, &setup) == 1 else {
            throw EndpointError("libcoap does not take pre-shared keys")
        }
    }

    private func setUp(_ certificate: EndpointSecurity.Certificate) throws(EndpointError) {
        for file in [certificate.certificateFile, certificate.keyFile, certificate.clientAuthorityFile] {
            if let file, access(file, R_OK) != 0 { throw EndpointError("'\(file)' cannot be read") }
        }
        var setup = coap_dtls_pki_t()
        setup.version = UInt8(COAP_DTLS_PKI_SETUP_VERSION)
        let asksClients: UInt8 = certificate.clientAuthorityFile == nil ? 0 : 1
        setup.verify_peer_cert = asksClients
        setup.check_common_ca = asksClients
        setup.cert_chain_validation = 1
        setup.cert_chain_verify_depth = Self.maximumChain
        setup.allow_no_crl = 1
        setup.validate_cn_call_back = { _, der, count, session, depth, isGood, _ in
            guard let session, let der, let loop = EndpointLoop.of(session) else { return 0 }
            guard depth == 0 else { return isGood }
            return loop.accepts(UnsafeRawBufferPointer(start: der, count: count), isGood: isGood != 0, session) ? 1 : 0
        }
        setup.pki_key.key_type = COAP_PKI_KEY_PEM
        setup.pki_key.key.pem.public_cert = securityMemory.text(certificate.certificateFile)
        setup.pki_key.key.pem.private_key = securityMemory.text(certificate.keyFile)
        setup.pki_key.key.pem.ca_file = certificate.clientAuthorityFile.flatMap { securityMemory.text($0) }
        guard coap_context_set_pki(context, &setup) == 1 else {
            throw EndpointError("libcoap does not take the server's certificate")
        }
    }

    /// The key of an identity, for a handshake. The handshake fails unless the other side has it, too.
    private func key(of identity: coap_bin_const_t, _ session: OpaquePointer) -> UnsafePointer<coap_bin_const_t>? {
        // Whoever it was when the association was made, it stays.
        guard coap_session_get_state(session) != COAP_SESSION_STATE_ESTABLISHED else { return nil }
        let bytes = UnsafeRawBufferPointer(start: identity.s, count: identity.length)
        guard let key = configuration.security?.findKey(bytes) else {
            handler?.handshakeRefused("unknown-psk")
            return nil
        }
        proofs[number(of: session)] = .preSharedKey(key)
        return securityMemory.lend(key.secret)
    }

    private func accepts(_ der: UnsafeRawBufferPointer, isGood: Bool, _ session: OpaquePointer) -> Bool {
        guard isGood else { return false }
        guard coap_session_get_state(session) != COAP_SESSION_STATE_ESTABLISHED,
            let certificate = try? ClientCertificate(der: Array(der)), certificate.thing != nil
        else {
            handler?.handshakeRefused("certificate-names-no-thing")
            return false
        }
        proofs[number(of: session)] = .certificate(certificate)
        return true
    }

    /// A handshake is done: in full, or with what an earlier one left.
    func secured(_ session: OpaquePointer) {
        var library = COAP_TLS_LIBRARY_NOTLS
        guard let tls = coap_session_get_tls(session, &library), library == COAP_TLS_LIBRARY_OPENSSL else { return }
        let connection = OpaquePointer(tls)
        guard let association = SSL_get_session(connection) else { return }
        let key = withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { secret -> ResumedSessions.Key? in
            let count = SSL_SESSION_get_master_key(association, secret.baseAddress, secret.count)
            guard count > 0 else { return nil }
            return ResumedSessions.Key(masterSecret: UnsafeRawBufferPointer(rebasing: secret[..<count]))
        }
        guard let key else { return }
        let number = number(of: session)
        if SSL_session_reused(connection) == 1 {
            proofs[number] = resumed.proof(key)
        } else if let proof = proofs[number] {
            resumed.remember(proof, key)
        }
    }
}
