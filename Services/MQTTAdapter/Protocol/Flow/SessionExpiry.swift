// SPDX-License-Identifier: Apache-2.0

/// How long a session outlives its connection (section 3.1.2.11.2), and when its will is published (section 3.1.3.2.2).
package struct SessionExpiry: Equatable, Sendable {
    /// The session never ends by itself.
    package static let never = UInt32.max

    /// Seconds; 0: it ends with the connection; never.
    package private(set) var seconds: UInt32
    private let atConnect: UInt32

    /// MQTT 3.1.1 has no interval: a clean session ends with its connection ([MQTT-3.1.2-6] there), any other never.
    ///
    /// - Parameter maximum: seconds that the server keeps sessions; what is asked for beyond is cut and said in CONNACK.
    package init(_ connect: Connect, maximum: UInt32 = Self.never) {
        let asked: UInt32 =
            switch connect.version {
            case .v311: connect.cleanStart ? 0 : Self.never
            case .v5: connect.properties.sessionExpiryInterval ?? 0
            }
        seconds = min(asked, maximum)
        atConnect = seconds
    }

    /// DISCONNECT may change it, but not give an end to a session that had none.
    ///
    /// - Throws: `Violation.sessionExpiryRaised`.
    package mutating func disconnected(_ disconnect: Disconnect, maximum: UInt32 = Self.never) throws(Violation) {
        guard let asked = disconnect.properties.sessionExpiryInterval else { return }
        guard atConnect != 0 || asked == 0 else { throw .sessionExpiryRaised }
        seconds = min(asked, maximum)
    }

    /// - Parameter closedAt: nanoseconds.
    /// - Returns: when the session ends; nil: never.
    package func end(closedAt: Int64) -> Int64? {
        seconds == Self.never ? nil : Self.add(seconds, to: closedAt)
    }

    /// When the will is published: after its delay or with the session, whichever is first ([MQTT-3.1.2-8]). Nanoseconds.
    package func willTime(_ will: Will, closedAt: Int64) -> Int64 {
        Self.add(min(will.properties.willDelayInterval ?? 0, seconds), to: closedAt)
    }

    /// Whether a DISCONNECT takes the will away: the normal one only ([MQTT-3.14.4-3]); in MQTT 3.1.1 there is no other ([MQTT-3.14.4-3] there).
    package static func discardsWill(_ disconnect: Disconnect) -> Bool { disconnect.reason == .success }

    private static func add(_ seconds: UInt32, to time: Int64) -> Int64 {
        let (sum, overflows) = time.addingReportingOverflow(Int64(seconds) * 1_000_000_000)
        return overflows ? .max : sum
    }
}
