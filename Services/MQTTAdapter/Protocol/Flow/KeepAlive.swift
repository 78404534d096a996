// SPDX-License-Identifier: Apache-2.0

/// How long a client may be silent (section 3.1.2.10). Times are nanoseconds of a clock that only goes forward.
package struct KeepAlive: Equatable, Sendable {
    /// 0: for ever.
    package let seconds: UInt16
    /// The server's own, to be said in CONNACK ([MQTT-3.2.2-21]); nil: the client's is used ([MQTT-3.2.2-22]).
    package let serverKeepAlive: UInt16?

    /// - Parameter maximum: seconds that the server allows; 0: any. MQTT 3.1.1 cannot say it, so the client's own stands there.
    package init(requested: UInt16, maximum: UInt16 = 0, version: ProtocolVersion) {
        let isTooLong = version == .v5 && maximum > 0 && (requested == 0 || requested > maximum)
        seconds = isTooLong ? maximum : requested
        serverKeepAlive = isTooLong ? maximum : nil
    }

    /// One and a half times the keep-alive ([MQTT-3.1.2-22]; [MQTT-3.1.2-24] of 3.1.1); nil: no limit.
    package var timeoutNanoseconds: Int64? {
        seconds == 0 ? nil : Int64(seconds) * 1_500_000_000
    }

    package func hasExpired(lastPacketAt: Int64, now: Int64) -> Bool {
        guard let timeoutNanoseconds else { return false }
        let (silence, overflows) = now.subtractingReportingOverflow(lastPacketAt)
        return !overflows && silence >= timeoutNanoseconds
    }
}
