// SPDX-License-Identifier: Apache-2.0
import Core
import Crypto
import CryptoExtras
import Foundation
import NIOPosix
import Synchronization

/// Hashes passwords with scrypt (RFC 7914), on threads of its own so that logins never hold up anything else.
///
/// The parameters stand in the hash, so they can be raised later: ``needsRehash(_:)`` says when.
public struct PasswordHasher: Sendable {
    /// scrypt's cost. Memory is 128 · 2^log2N · r bytes for a hash.
    public struct Cost: Sendable, Equatable {
        public let log2N: Int
        public let blockSize: Int
        public let parallelism: Int

        /// - Returns: nil outside of 2^10 … 2^18, 1 … 16, 1 … 16, or above 256 MiB: a hash from a damaged database must not take the machine's memory.
        public init?(log2N: Int, blockSize: Int, parallelism: Int) {
            guard (10...18).contains(log2N), (1...16).contains(blockSize), (1...16).contains(parallelism),
                128 * (1 << log2N) * blockSize <= 256 << 20
            else { return nil }
            self.log2N = log2N
            self.blockSize = blockSize
            self.parallelism = parallelism
        }

        private init(unchecked log2N: Int, _ blockSize: Int, _ parallelism: Int) {
            self.log2N = log2N
            self.blockSize = blockSize
            self.parallelism = parallelism
        }

        /// N = 2^15, r = 8, p = 3: 32 MiB a hash, one of the equivalent settings of the OWASP Password Storage Cheat Sheet.
        public static let standard = Cost(unchecked: 15, 8, 3)
        /// N = 2^10, r = 8, p = 1: for tests only, where thousands of logins would take minutes.
        public static let weakForTests = Cost(unchecked: 10, 8, 1)

        /// How much is computed, in any unit (RFC 7914 section 2).
        fileprivate var work: Int { (1 << log2N) * blockSize * parallelism }
    }

    /// Two threads: two cores' worth of logins at a time, 64 MiB at the standard cost.
    private static let threads: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 2)
        pool.start()
        return pool
    }()
    /// Waiting for a thread, at about 0.1 s each: more are refused, they would wait longer than clients do.
    static let maximumWaiting = 64
    private static let waiting = Atomic<Int>(0)

    private static let saltBytes = 16
    private static let hashBytes = 32

    private final class Tally: Sendable {
        let computations = Atomic<Int>(0)
    }

    public let cost: Cost
    /// A hash of today's cost that no password has: what is checked where there is no user.
    public let decoy: String
    private let tally = Tally()

    public init(cost: Cost = .standard) {
        self.cost = cost
        decoy = Self.encode(
            SecretKey.randomBytes(Self.hashBytes), salt: SecretKey.randomBytes(Self.saltBytes), cost: cost)
    }

    /// How often this hasher and its copies have run scrypt: what an answer costs, counted instead of timed.
    public var computations: Int { tally.computations.load(ordering: .relaxed) }

    /// `$scrypt$ln=15,r=8,p=3$<salt>$<hash>`, both base64url.
    ///
    /// - Throws: `unavailable` when too many wait already.
    public func hash(_ password: String) async throws(ServiceError) -> String {
        let cost = cost
        return try await onThread {
            let salt = SecretKey.randomBytes(Self.saltBytes)
            return Self.encode(try derive(password, salt: salt, cost: cost), salt: salt, cost: cost)
        }
    }

    private static func encode(_ derived: [UInt8], salt: [UInt8], cost: Cost) -> String {
        let parameters = "ln=\(cost.log2N),r=\(cost.blockSize),p=\(cost.parallelism)"
        return "$scrypt$\(parameters)$\(Base64URL.encode(salt))$\(Base64URL.encode(derived))"
    }

    /// Whether the password is the one that was hashed. Takes as long for a wrong one as for the right one, and for one that was hashed when the
    /// cost was lower as for one of today; for ``decoy`` it takes as long, too, and is false.
    ///
    /// - Throws: `unavailable` when too many wait already, `internalFailure` when `encoded` is not a hash of ours.
    public func verify(_ password: String, against encoded: String) async throws(ServiceError) -> Bool {
        let cost = cost
        guard let stored = Self.parse(encoded) else {
            throw ServiceError(
                .internalFailure, reason: "password-hash", "something went wrong on our side",
                detail: "stored password hash is damaged")
        }
        return try await onThread {
            var derived = try derive(password, salt: stored.salt, cost: stored.cost)
            // Whose hash is of an older, lower cost would be known by the shorter time to be there.
            for _ in 1..<max(1, cost.work / stored.cost.work) {
                derived = try derive(password, salt: stored.salt, cost: stored.cost)
            }
            return SecretKey.areEqual(derived, stored.hash)
        }
    }

    /// True when the hash was made with other parameters than today's.
    public func needsRehash(_ encoded: String) -> Bool { Self.parse(encoded)?.cost != cost }

    struct Parsed {
        let cost: Cost
        let salt: [UInt8]
        let hash: [UInt8]
    }

    static func parse(_ encoded: String) -> Parsed? {
        let parts = encoded.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, parts[1] == "scrypt" else { return nil }
        let parameters = parts[2].split(separator: ",")
        guard parameters.count == 3, parameters[0].hasPrefix("ln="), parameters[1].hasPrefix("r="),
            parameters[2].hasPrefix("p="),
            let log2N = Int(parameters[0].dropFirst(3)), let blockSize = Int(parameters[1].dropFirst(2)),
            let parallelism = Int(parameters[2].dropFirst(2)),
            let cost = Cost(log2N: log2N, blockSize: blockSize, parallelism: parallelism),
            let salt = Base64URL.decode(parts[3]), salt.count == saltBytes,
            let hash = Base64URL.decode(parts[4]), hash.count == hashBytes
        else { return nil }
        return Parsed(cost: cost, salt: Array(salt), hash: Array(hash))
    }

    private func derive(_ password: String, salt: [UInt8], cost: Cost) throws -> [UInt8] {
        tally.computations.wrappingAdd(1, ordering: .relaxed)
        // The library cannot take an empty password; one is never set, so any byte that no password holds will do.
        let bytes = password.isEmpty ? [0] : Array(password.utf8)
        let key = try KDF.Scrypt.deriveKey(
            from: bytes, salt: salt, outputByteCount: Self.hashBytes, rounds: 1 << cost.log2N,
            blockSize: cost.blockSize,
            parallelism: cost.parallelism)
        return key.withUnsafeBytes { Array($0) }
    }

    private func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws(ServiceError) -> Value {
        guard Self.waiting.wrappingAdd(1, ordering: .relaxed).newValue <= Self.maximumWaiting else {
            Self.waiting.wrappingSubtract(1, ordering: .relaxed)
            throw ServiceError(
                .unavailable, reason: "too-many-logins", "too many logins at once; try again", retryAfterSeconds: 2)
        }
        defer { Self.waiting.wrappingSubtract(1, ordering: .relaxed) }
        do {
            return try await Self.threads.runIfActive(body)
        } catch {
            throw ServiceError(
                .internalFailure, reason: "password-hash", "something went wrong on our side",
                detail: String(reflecting: error))
        }
    }
}
