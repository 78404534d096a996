// SPDX-License-Identifier: Apache-2.0
import Foundation
import Postgres
import TestKit

/// How long refusals take, by why: whether who guesses learns from the time what the answer does not say.
///
/// One request at a time on one connection. A round asks once for each kind, in random order, each for an identity of its own and from the
/// same address, which no round before had; so all rounds find the same state.
struct RefusalTiming {
    /// Far from what the rounds reach, except where the failures are written into the database.
    static let lockOutFailures = 100_000

    /// Settings under which only ``Kind/locks`` and ``Kind/absentLocks`` close anything.
    static let settings = [
        "MARTLET_USERS_LOGINS_PER_MINUTE": "100000", "MARTLET_USERS_LOCKOUT_FAILURES": String(lockOutFailures),
    ]

    /// Why a login is refused.
    enum Kind: String, CaseIterable {
        case wrongPassword = "wrong password"
        case large = "wrong password, a user with 60 KiB of metadata"
        case unknown = "unknown user"
        case disabled = "disabled user, right password"
        case disabledWrong = "disabled user, wrong password"
        case absentFamiliar = "unknown user, from an address with logins"
        case familiar = "wrong password, from where the user has logged in"
        case absentLocks = "unknown user, the failure that locks"
        case locks = "wrong password, the failure that locks"
        case absentLocked = "unknown user, locked"
        case locked = "locked user"

        /// What it must not be told from; nil: it is such a baseline.
        var baseline: Kind? {
            switch self {
            case .wrongPassword, .absentFamiliar, .absentLocks, .absentLocked: nil
            case .large, .unknown, .disabled, .disabledWrong: .wrongPassword
            case .familiar: .absentFamiliar
            case .locks: .absentLocks
            case .locked: .absentLocked
            }
        }

        /// Those that are locked are those that a failure has locked; all are of the same length.
        fileprivate var person: String {
            switch self {
            case .wrongPassword: "known-1"
            case .large: "known-2"
            case .unknown: "other-1"
            case .disabled: "known-3"
            case .disabledWrong: "known-4"
            case .absentFamiliar: "other-2"
            case .familiar: "known-5"
            case .absentLocks, .absentLocked: "other-3"
            case .locks, .locked: "known-6"
            }
        }

        fileprivate var isLocked: Bool { self == .locked || self == .absentLocked }
        fileprivate var isFromFamiliarAddress: Bool { self == .familiar || self == .absentFamiliar }
    }

    let stage: LoginStage
    /// The first byte of all addresses, each round's in a block (/24) of its own: tells one timing's from another's.
    let network: Int
    private let connection: BlockingHTTPConnection
    private var round = 0
    private(set) var milliseconds: [Kind: [Double]] = [:]

    private static let familiarAddress = "10.255.0.1"
    private static let wrongSecret = "b-password-for-benchmarks"

    /// - Parameter network: 1…254.
    init(_ stage: LoginStage, network: Int) {
        self.stage = stage
        self.network = network
        connection = BlockingHTTPConnection(port: stage.port, timeoutSeconds: 60)
    }

    /// Makes the users that there shall be.
    func makeUsers() async throws {
        for kind in [Kind.wrongPassword, .familiar, .locks] { try await stage.register(identity(kind)) }
        try await stage.register(identity(.large), note: String(repeating: "x", count: 60 << 10))
        for kind in [Kind.disabled, .disabledWrong] {
            try await stage.disable(try await stage.register(identity(kind)))
        }
        let attempt = LoginAttempt(
            identity: identity(.familiar), secret: LoginStage.secret, address: Self.familiarAddress)
        try Stack.expect(201, attempt.send(on: connection).answer, "log in from where the user will be familiar")
    }

    /// Not that of another timing: a password is checked at the cost with which it was set.
    private func identity(_ kind: Kind) -> String { "\(kind.person)-\(network)@example.com" }

    /// Asks for every kind so many times.
    /// - Throws: ``BenchmarkFailure`` when something is answered that does not belong to its kind.
    mutating func run(rounds: Int) async throws {
        guard round + rounds <= 1 << 16 else { throw BenchmarkFailure(description: "there are no more addresses") }
        for kind in [Kind.locks, .absentLocks] { try await prepareLocks(identity(kind), rounds) }
        for _ in 0..<rounds {
            for kind in Kind.allCases.filter({ !$0.isLocked }).shuffled() { try measure(kind) }
            // After the failures that lock.
            for kind in Kind.allCases.filter(\.isLocked).shuffled() { try measure(kind) }
            round += 1
        }
    }

    private mutating func measure(_ kind: Kind) throws {
        let address = kind.isFromFamiliarAddress ? Self.familiarAddress : "\(network).\(round >> 8).\(round & 255).1"
        let attempt = LoginAttempt(
            identity: identity(kind), secret: kind == .disabled ? LoginStage.secret : Self.wrongSecret,
            address: address)
        let (answer, time) = try attempt.send(on: connection)
        guard answer.status == (kind.isLocked ? 429 : 401),
            answer.problem?.reason == (kind.isLocked ? "locked-out" : "wrong-credentials")
        else { throw BenchmarkFailure(description: "\(kind.rawValue), \(address): \(answer.status) \(answer.text)") }
        milliseconds[kind, default: []].append(time)
    }

    /// Forgets what was measured so far.
    mutating func forget() { milliseconds = [:] }

    /// Writes the failures into the database that are missing before the one that locks, for the next rounds' addresses.
    private func prepareLocks(_ identity: String, _ rounds: Int) async throws {
        let now = Int64(Date().timeIntervalSince1970) * 1_000_000_000
        _ = try await stage.database.execute(
            """
            INSERT INTO users.login_failures (key, place, failures, last_failure_at, locked_until)
            SELECT encode(sha256(convert_to(\(identity), 'UTF8')), 'hex'),
                \(Int64(network))::text || '.' || (i >> 8)::text || '.' || (i & 255)::text || '.0/24',
                \(Int64(Self.lockOutFailures - 1)), \(now), 0
            FROM generate_series(\(Int64(round)), \(Int64(round + rounds - 1))) AS i
            """)
    }
}
