// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization

/// How one dependency or part is.
public enum HealthState: Sendable, Equatable {
    case up
    /// Works, but not as it should.
    case degraded(String)
    case down(String)
}

/// The checks of one process, and the document that answers `GET /health`.
///
/// The document follows draft-inadarei-api-health-check: `status` is `pass`, `warn` or `fail`; it is `fail`, and the HTTP status 503, when any check is down.
public final class HealthRegistry: Sendable {
    private let version: String
    private let description: String
    private let clock: WallClock
    private let checks = Mutex<[String: @Sendable () async -> HealthState]>([:])

    /// - Parameter description: the service's name and purpose in a few words.
    public init(version: String, description: String, clock: WallClock = .system) {
        self.version = version
        self.description = description
        self.clock = clock
    }

    /// Adds a check that is asked at each request. It must answer at once: no I/O beyond what is known already.
    public func register(_ name: String, probe: @escaping @Sendable () async -> HealthState) {
        checks.withLock { $0[name] = probe }
    }

    /// Adds a check whose state its owner sets when it changes.
    public func check(_ name: String, initially state: HealthState = .up) -> HealthCheck {
        let check = HealthCheck(state)
        register(name) { check.state }
        return check
    }

    public func report() async -> HealthReport {
        let probes = checks.withLock { $0 }
        var states: [String: HealthState] = [:]
        for (name, probe) in probes {
            states[name] = await probe()
        }
        let time = Timestamp.rfc3339(clock.now())
        return HealthReport(version: version, description: description, states: states, time: time)
    }
}

/// A check that is set from outside.
public final class HealthCheck: Sendable {
    private let current: Mutex<HealthState>

    init(_ state: HealthState) { current = Mutex(state) }

    public var state: HealthState { current.withLock { $0 } }

    public func set(_ state: HealthState) { current.withLock { $0 = state } }
}

/// The body of `GET /health`, media type `application/health+json`.
public struct HealthReport: Codable, Sendable, Equatable {
    public enum Status: String, Codable, Sendable {
        case pass
        case warn
        case fail
    }

    public struct Check: Codable, Sendable, Equatable {
        public var status: Status
        /// What is wrong; absent when it passes.
        public var output: String?
        /// RFC 3339.
        public var time: String
    }

    public var status: Status
    public var version: String
    public var description: String
    public var checks: [String: [Check]]

    init(version: String, description: String, states: [String: HealthState], time: String) {
        self.version = version
        self.description = description
        var worst = Status.pass
        var checks: [String: [Check]] = [:]
        for (name, state) in states {
            switch state {
            case .up:
                checks[name] = [Check(status: .pass, time: time)]
            case .degraded(let reason):
                checks[name] = [Check(status: .warn, output: reason, time: time)]
                if worst == .pass { worst = .warn }
            case .down(let reason):
                checks[name] = [Check(status: .fail, output: reason, time: time)]
                worst = .fail
            }
        }
        status = worst
        self.checks = checks
    }

    /// 200, or 503 when the service cannot do its work.
    public var httpStatus: Int { status == .fail ? 503 : 200 }

    public static let contentType = "application/health+json"

    /// The document as JSON.
    public func json() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes += "{\"status\":\"\(status.rawValue)\",\"version\":".utf8
        JSONText.write(version, to: &bytes)
        bytes += ",\"description\":".utf8
        JSONText.write(description, to: &bytes)
        bytes += ",\"checks\":{".utf8
        for (index, (name, entries)) in checks.sorted(by: { $0.key < $1.key }).enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            JSONText.write(name, to: &bytes)
            bytes += ":[".utf8
            for (position, entry) in entries.enumerated() {
                if position > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += "{\"status\":\"\(entry.status.rawValue)\",\"time\":\"\(entry.time)\"".utf8
                if let output = entry.output {
                    bytes += ",\"output\":".utf8
                    JSONText.write(output, to: &bytes)
                }
                bytes.append(UInt8(ascii: "}"))
            }
            bytes.append(UInt8(ascii: "]"))
        }
        bytes += "}}".utf8
        return bytes
    }
}
