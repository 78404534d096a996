// SPDX-License-Identifier: Apache-2.0

/// How one service says that it is.
struct ServiceHealth: Equatable, Sendable {
    enum State: String, Comparable, Sendable {
        case up
        case warn
        case down

        private var badness: Int {
            switch self {
            case .up: 0
            case .warn: 1
            case .down: 2
            }
        }

        static func < (left: State, right: State) -> Bool { left.badness < right.badness }

        var style: Style {
            switch self {
            case .up: .good
            case .warn: .warning
            case .down: .bad
            }
        }
    }

    var service: String
    var state: State
    /// Of the answer, through the front door.
    var latencyMicroseconds: Double
    var version: String?
    var troubles: [String]

    static func ask(_ service: String, _ client: APIClient) async throws -> ServiceHealth {
        var request = APIRequest(.get, "/health/\(PercentEncoding.encode(service))")
        request.timeoutSeconds = 5
        let began = ContinuousClock.now
        do {
            let response = try await client.send(request)
            let elapsed = ContinuousClock.now - began
            return ServiceHealth(service, response, latencyMicroseconds: elapsed / .microseconds(1))
        } catch let failure as CommandFailure {
            let elapsed = ContinuousClock.now - began
            return ServiceHealth(
                service: service, state: .down, latencyMicroseconds: elapsed / .microseconds(1), version: nil,
                troubles: [failure.message])
        }
    }

    /// Reads draft-inadarei-api-health-check's document, or what the front door says in a service's place.
    init(_ service: String, _ response: APIResponse, latencyMicroseconds: Double) {
        let document = try? response.json()
        let checks = (document?["checks"]?.members ?? []).flatMap { member in
            (member.value.elements ?? []).compactMap { check in
                check["status"]?.text == "pass" ? nil : "\(member.name): \(check["output"]?.text ?? "ill")"
            }
        }
        let state: State =
            switch document?["status"]?.text {
            case "pass" where response.isSuccess: .up
            case "warn" where response.isSuccess: .warn
            default: .down
            }
        self.init(
            service: service, state: state, latencyMicroseconds: latencyMicroseconds,
            version: document?["version"]?.text,
            troubles: checks.isEmpty && state != .up ? [response.failure.message] : checks)
    }

    init(service: String, state: State, latencyMicroseconds: Double, version: String?, troubles: [String]) {
        self.service = service
        self.state = state
        self.latencyMicroseconds = latencyMicroseconds
        self.version = version
        self.troubles = troubles
    }

    var json: JSONValue {
        .document([
            ("service", .string(service)), ("state", .string(state.rawValue)),
            ("latency_ms", .double((latencyMicroseconds / 10).rounded() / 100)),
            ("version", version.map(JSONValue.string)), ("troubles", .strings(troubles)),
        ])
    }
}
