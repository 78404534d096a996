// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import Foundation
import Glibc

/// A DTLS 1.2 association with a pre-shared key, by OpenSSL, on a socket of its own.
final class SecureCoAPSocket: CoAPSocket {
    struct Key: Sendable {
        let identity: String
        let secret: [UInt8]
    }

    /// Both servers take it; without a certificate nothing is signed.
    private static let cipher = "PSK-AES128-GCM-SHA256"
    private static let wantRead: Int32 = 2
    private static let setConnected: Int32 = 32
    private static let handleTimeout: Int32 = 74

    /// One for all; OpenSSL asks for the key by the session. Unchecked: it is made once, never changed, and counted by OpenSSL with atomics.
    nonisolated(unsafe) private static let context: OpaquePointer? = {
        guard let context = SSL_CTX_new(DTLS_client_method()) else { return nil }
        SSL_CTX_set_cipher_list(context, cipher)
        SSL_CTX_set_psk_client_callback(context) { session, _, identity, identityRoom, secret, secretRoom in
            guard let session, let identity, let secret, let owner = SSL_get_ex_data(session, 0) else { return 0 }
            let key = Unmanaged<SecureCoAPSocket>.fromOpaque(owner).takeUnretainedValue().key
            guard key.identity.utf8.count < Int(identityRoom), key.secret.count <= Int(secretRoom) else { return 0 }
            strcpy(identity, key.identity)
            for (index, byte) in key.secret.enumerated() { secret[index] = byte }
            return UInt32(key.secret.count)
        }
        return context
    }()

    private let key: Key
    private let session: OpaquePointer
    private(set) var isConnected = false

    /// Begins nothing yet.
    init(port: Int, key: Key) throws {
        guard let session = SSL_new(Self.context) else { throw BenchmarkFailure(description: "OpenSSL has no session") }
        self.key = key
        self.session = session
        try super.init(port: port)
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let datagrams = BIO_new_dgram(descriptor, 0)
        withUnsafeMutablePointer(to: &address) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &size) }
            _ = BIO_ctrl(datagrams, Self.setConnected, 0, pointer)
        }
        SSL_set_bio(session, datagrams, datagrams)
        SSL_set_connect_state(session)
        SSL_set_ex_data(session, 0, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        leave()
        SSL_free(session)
    }

    override func leave() {
        if isConnected { SSL_shutdown(session) }
        isConnected = false
    }

    /// Goes on with the handshake as far as it can without waiting.
    ///
    /// - Returns: whether it is done.
    func step() throws -> Bool {
        guard !isConnected else { return true }
        ERR_clear_error()
        let status = SSL_do_handshake(session)
        isConnected = status == 1
        guard isConnected || SSL_get_error(session, status) == Self.wantRead else {
            throw BenchmarkFailure(description: "a handshake failed: \(SSL_get_error(session, status))")
        }
        return isConnected
    }

    /// Sends again what was not answered for so long.
    func retransmit() { _ = SSL_ctrl(session, Self.handleTimeout, 0, nil) }

    /// Makes the association, and waits for it.
    func connect() throws {
        let deadline = Moment.now() + 3_000_000_000
        while try !step() {
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&wanted, 1, 250) == 0 { retransmit() }
            guard Moment.now() < deadline else {
                throw BenchmarkFailure(description: "a handshake took more than 3 s")
            }
        }
    }

    override func write(_ bytes: UnsafeRawBufferPointer) {
        ERR_clear_error()
        _ = SSL_write(session, bytes.baseAddress, Int32(bytes.count))
    }

    override func read(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        ERR_clear_error()
        return Int(SSL_read(session, buffer.baseAddress, Int32(buffer.count)))
    }
}
