// SPDX-License-Identifier: Apache-2.0
import Core
import Crypto
import Foundation

/// Encrypts the secrets that adapters need in the clear, for the database: AES-256-GCM, bound to the thing that each belongs to, so that none can be
/// put in the place of another's.
///
/// The first key encrypts; the others are those that came before it, and decrypt what they once encrypted. Each is named by a hash of its own, so a file
/// of keys is all that has to be kept.
struct SecretKeyRing: Sendable {
    /// What the database holds.
    struct Sealed: Sendable, Equatable {
        /// Of the key that encrypted it.
        var keyID: [UInt8]
        /// Nonce (12 bytes), ciphertext, tag (16 bytes).
        var box: [UInt8]
    }

    /// Why a text holds no keys.
    struct Malformed: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    static let keyBytes = 32
    static let keyIDBytes = 8
    /// One, and those that it replaces while their secrets are encrypted anew; with room to spare.
    static let maximumKeys = 16

    private let current: (id: [UInt8], key: SymmetricKey)
    private let keys: [[UInt8]: SymmetricKey]

    /// Reads keys, one a line: 32 bytes in base64 or hexadecimal. Empty lines and those that begin with `#` say nothing.
    init(text: String) throws(Malformed) {
        var keys: [[UInt8]: SymmetricKey] = [:]
        var first: (id: [UInt8], key: SymmetricKey)?
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmingCharacters(in: .whitespaces.union(.newlines))
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let bytes = SecretText.bytes(line), bytes.count == Self.keyBytes else {
                throw Malformed(
                    description: "line \(index + 1) is no key of \(Self.keyBytes) bytes in base64 or hexadecimal")
            }
            let id = Self.identifier(of: bytes)
            guard keys[id] == nil else { throw Malformed(description: "line \(index + 1) repeats a key") }
            let key = SymmetricKey(data: bytes)
            keys[id] = key
            first = first ?? (id, key)
        }
        guard let first else { throw Malformed(description: "there is no key in it") }
        guard keys.count <= Self.maximumKeys else {
            throw Malformed(description: "\(keys.count) keys, at most \(Self.maximumKeys) are possible")
        }
        current = first
        self.keys = keys
    }

    /// Of the key that encrypts.
    var currentKeyID: [UInt8] { current.id }

    /// - Throws: `internalFailure`.
    func seal(_ secret: [UInt8], of thing: ThingID) throws(ServiceError) -> Sealed {
        let box: Data?
        do {
            box = try AES.GCM.seal(secret, using: current.key, authenticating: Self.context(thing)).combined
        } catch {
            throw Self.failure("secret-not-sealed", "\(error)")
        }
        guard let box else { throw Self.failure("secret-not-sealed", "no combined form") }
        return Sealed(keyID: current.id, box: Array(box))
    }

    /// - Throws: `internalFailure`: reasons `secret-key-unknown`, and `secret-damaged` for one that was changed or is another thing's.
    func open(_ sealed: Sealed, of thing: ThingID) throws(ServiceError) -> [UInt8] {
        guard let key = keys[sealed.keyID] else {
            throw Self.failure("secret-key-unknown", "key \(SecretText.hexadecimal(sealed.keyID))")
        }
        do {
            return Array(
                try AES.GCM.open(
                    AES.GCM.SealedBox(combined: sealed.box), using: key, authenticating: Self.context(thing)))
        } catch {
            throw Self.failure("secret-damaged", "\(error)")
        }
    }

    private static func identifier(of key: [UInt8]) -> [UInt8] {
        Array(SHA256.hash(data: Array("martlet secret key".utf8) + key).prefix(keyIDBytes))
    }

    /// What the ciphertext is bound to: what it is for, and whose it is.
    private static func context(_ thing: ThingID) -> [UInt8] {
        Array("martlet pre-shared key of thing \(thing)".utf8)
    }

    private static func failure(_ reason: String, _ detail: String) -> ServiceError {
        ServiceError(.internalFailure, reason: reason, "something went wrong on our side", detail: detail)
    }
}
